"""Writes command results as tables, text, JSON or CSV."""
