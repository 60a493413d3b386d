"""Delivers notices: signed webhooks for programs, mail and chat for people."""
