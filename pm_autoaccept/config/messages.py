"""Translates pydantic's validation errors into error messages about a setting's value."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import ErrorDetails

_MESSAGES: Mapping[str, str] = {
    "enum": "invalid value; use {expected}",
    "literal_error": "invalid value; use {expected}",
    "int_parsing": "invalid number; use a whole number, for example 4",
    "int_parsing_size": "invalid number; use a whole number, for example 4",
    "greater_than": "too small; use more than 0s",
    "greater_than_equal": "too small; use at least {ge}",
    "less_than_equal": "too large; use at most {le}",
    "string_too_short": "empty value; expected {description}",
    "too_short": "empty value; expected {description}",
}
"""pydantic's error type → our message. Our own validators raise `ValueError` with a message of their own."""

_ANY_OTHER = "invalid value; expected {description}"


def message(error: ErrorDetails, *, description: str) -> str:
    """What is wrong with a value, and what to write; never the value itself."""
    context = error.get("ctx", {})
    if isinstance(ours := context.get("error"), ValueError):
        return str(ours)
    # pydantic puts each allowed word in quotes; nobody should type the quotes.
    words = {name: str(value).replace("'", "") for name, value in context.items()}
    return _MESSAGES.get(error["type"], _ANY_OTHER).format_map({**words, "description": description})
