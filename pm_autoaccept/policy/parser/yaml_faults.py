"""Explain YAML syntax errors to policy authors: which character causes it, and the corrected line."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.messages import shown

_BEFORE_TEXT = re.compile(r"\s*(?:- +)*(?:[^\s'\"{\[:][^:]*: +)?")
_ENTRY = re.compile(r"[^,\]}]+")
_WORD = re.compile(r"[^\s,\]}]+")


def quoted(text: str) -> str:
    """The text in single quotes, escaped for YAML."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def corrected_line(line: str, column: int = 0) -> str:
    """The line with the value after its key or dash in single quotes; inside braces, the entry at the column."""
    if _inside(line[:column]) and (word := _ENTRY.match(line, column)):
        return f"{line[:column]}{quoted(word.group().strip())}{line[word.end() :]}".strip()
    found = _BEFORE_TEXT.match(line)
    end = found.end() if found else 0
    before, text = line[:end].strip(), line[end:].strip()
    if text.startswith("'") and text.endswith("'"):
        text = text[1:-1]
    return f"{before} {quoted(text)}".lstrip()


def _inside(before: str) -> bool:
    """Whether a brace or bracket is open at the end of this text."""
    return any(before.count(first) > before.count(last) for first, last in ("{}", "[]"))


@dataclass(frozen=True, slots=True)
class _Meaning:
    """One kind of mistake: how to recognize it from YAML's error and the line, and the message to show.

    Attributes:
        error: a pattern to find in YAML's error text.
        before: a pattern that matches the line before the position.
        rest: a pattern that matches the line from the position on.
        line: a pattern to find in the line.
        at_opening: the mistake is where the element begins that YAML could not finish.
    """

    message: str
    error: str = ""
    before: str = ""
    rest: str = ""
    line: str = ""
    at_opening: bool = False


_QUOTE = "put the text in single quotes: "
_MEANINGS = (
    _Meaning("a text cannot begin with `{first}`; " + _QUOTE + "{word}", error="an alias|an anchor", at_opening=True),
    _Meaning("tab character; indent with spaces", error="cannot start any token", rest="\t"),
    _Meaning("a text cannot begin with `{first}`; " + _QUOTE + "{right}", error="cannot start any token"),
    _Meaning(
        "a text cannot begin with `{first}`; " + _QUOTE + "{right}", error="expected the node content", rest="[,%]"
    ),
    _Meaning(
        "this line is indented more than the one above; keys of one mapping must start in the same column",
        error="mapping values are not allowed",
        before=r"\s*(- +)*[\w.-]+\Z",
    ),
    _Meaning("a second `: ` in this line; " + _QUOTE + "{right}", error="mapping values are not allowed"),
    _Meaning(
        "unclosed quotation mark; close it, and double each ' inside single quotes",
        error="unexpected end of stream",
        at_opening=True,
    ),
    _Meaning(
        "missing `: `; write a colon and a space after a key",
        error="could not find expected ':'",
        at_opening=True,
    ),
    _Meaning(
        "unclosed bracket or brace; close it, or put the text in single quotes",
        error="expected ',' or",
        at_opening=True,
    ),
    _Meaning("text after | or > must begin on the next line, indented", error="indentation indicators"),
    _Meaning("a ' inside single quotes must be doubled: {right}", line=r"'\S*'\S"),
    _Meaning("braces, brackets and quotes are YAML syntax; " + _QUOTE + "{right}", line=r"(:|-)\s+[{\[\"]"),
    _Meaning("invalid YAML ({problem}); check that this line is indented like its neighbors"),
)
"""The first one that fits is shown; the last one always fits."""


def explain_yaml_error(error: yaml.MarkedYAMLError, *, file: str, lines: tuple[str, ...]) -> Fault:
    """A fault that names the cause of a YAML error and what to write instead."""
    error_text = f"{error.context} {error.problem}"
    row, column, line = _mark_position(error.problem_mark, lines)
    meaning = next(
        each
        for each in _MEANINGS
        if re.search(each.error, error_text)
        and re.match(each.before, line[:column])
        and re.match(each.rest, line[column:])
        and re.search(each.line, line)
    )
    if meaning.at_opening:
        row, column, line = _mark_position(error.context_mark or error.problem_mark, lines)
    found = _WORD.match(line, column)
    word = found.group() if found else line[column : column + 1]
    message = meaning.message.format(
        first=word[:1], word=quoted(word), right=corrected_line(line, column), problem=error.problem
    )
    return Fault(file, row + 1, column + 1, message, shown(line))


def _mark_position(mark: yaml.Mark | None, lines: tuple[str, ...]) -> tuple[int, int, str]:
    """Zero-based row and column, and the line."""
    row, column = (mark.line, mark.column) if mark is not None else (0, 0)
    return row, column, lines[row] if row < len(lines) else ""
