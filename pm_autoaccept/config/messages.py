"""Error messages about a setting's value, in words of our own: what pydantic says is for programmers."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_core import ErrorDetails

_SAID: Mapping[str, str] = {
    "enum": "write {expected}",
    "literal_error": "write {expected}",
    "int_parsing": "that is no whole number; write one, as 4",
    "int_parsing_size": "that is no whole number; write one, as 4",
    "greater_than": "that is too little; it must be more than 0s",
    "greater_than_equal": "that is too little; it must be at least {ge}",
    "less_than_equal": "that is too much; it must be at most {le}",
    "string_too_short": "it is empty; write {description}",
    "too_short": "it is empty; write {description}",
}
"""Each kind of fault that pydantic finds in a setting; ours come as `value_error`, with their own text."""

_ANY_OTHER = "that value cannot be used; write {description}"


def message(error: ErrorDetails, *, description: str) -> str:
    """What is wrong with a value, and what to write; never the value itself."""
    context = error.get("ctx", {})
    if isinstance(said := context.get("error"), ValueError):
        return str(said)
    # pydantic quotes each of the words that may stand there; nobody should type the quotes.
    words = {name: str(value).replace("'", "") for name, value in context.items()}
    return _SAID.get(error["type"], _ANY_OTHER).format_map({**words, "description": description})
