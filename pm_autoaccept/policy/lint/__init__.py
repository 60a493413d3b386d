"""Lint: warnings about a policy that loads, each certain from its text (rules never reached, holds without expiry)."""
