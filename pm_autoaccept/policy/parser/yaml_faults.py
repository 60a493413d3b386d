"""What YAML's own errors mean to somebody who wrote a policy: which character it was, and the line put right."""

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
    """The text in single quotes, as YAML wants it."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def corrected_line(line: str, column: int = 0) -> str:
    """The line with what follows its key, or its dash, in single quotes; inside braces with what begins there."""
    if _inside(line[:column]) and (word := _ENTRY.match(line, column)):
        return f"{line[:column]}{quoted(word.group().strip())}{line[word.end() :]}".strip()
    found = _BEFORE_TEXT.match(line)
    end = found.end() if found else 0
    before, text = line[:end].strip(), line[end:].strip()
    if text.startswith("'") and text.endswith("'"):
        text = text[1:-1]
    return f"{before} {quoted(text)}".lstrip()


def _inside(before: str) -> bool:
    """Whether a brace or a bracket is open there."""
    return any(before.count(first) > before.count(last) for first, last in ("{}", "[]"))


@dataclass(frozen=True, slots=True)
class _Meaning:
    """One mistake: how YAML and the line show it, and what to say of it.

    Attributes:
        said: found in YAML's own words.
        before: matches the line up to the place.
        rest: matches the line from the place on.
        line: found in the line.
        at_opening: the mistake lies where the thing began that YAML could not finish.
    """

    message: str
    said: str = ""
    before: str = ""
    rest: str = ""
    line: str = ""
    at_opening: bool = False


_QUOTE = "put the text in single quotes: "
_MEANINGS = (
    _Meaning("a text cannot begin with `{first}`; " + _QUOTE + "{word}", said="an alias|an anchor", at_opening=True),
    _Meaning("a tab stands here; indent with spaces", said="cannot start any token", rest="\t"),
    _Meaning("a text cannot begin with `{first}`; " + _QUOTE + "{right}", said="cannot start any token"),
    _Meaning(
        "a text cannot begin with `{first}`; " + _QUOTE + "{right}", said="expected the node content", rest="[,%]"
    ),
    _Meaning(
        "this line is indented further than the one above; keys of one mapping begin in one column",
        said="mapping values are not allowed",
        before=r"\s*(- +)*[\w.-]+\Z",
    ),
    _Meaning("a second `: ` stands in this line; " + _QUOTE + "{right}", said="mapping values are not allowed"),
    _Meaning(
        "the quotation mark is never closed; close it, and double each ' inside single quotes",
        said="unexpected end of stream",
        at_opening=True,
    ),
    _Meaning(
        "a `: ` is missing here; a key is followed by a colon and a blank",
        said="could not find expected ':'",
        at_opening=True,
    ),
    _Meaning(
        "this bracket or brace is not closed as it should be; close it, or put text in single quotes",
        said="expected ',' or",
        at_opening=True,
    ),
    _Meaning("a text after | or > begins on the next line, indented", said="indentation indicators"),
    _Meaning("a ' inside single quotes is doubled: {right}", line=r"'\S*'\S"),
    _Meaning("braces, brackets and quotes mean something to YAML; " + _QUOTE + "{right}", line=r"(:|-)\s+[{\[\"]"),
    _Meaning("YAML did not expect this here ({problem}); see that the line is indented like its neighbours"),
)
"""The first that fits is what is said; the last one always does."""


def explain_yaml_error(error: yaml.MarkedYAMLError, *, file: str, lines: tuple[str, ...]) -> Fault:
    """A fault that says what stands where YAML gave up, and what to write instead."""
    said = f"{error.context} {error.problem}"
    row, column, line = _spot(error.problem_mark, lines)
    meaning = next(
        each
        for each in _MEANINGS
        if re.search(each.said, said)
        and re.match(each.before, line[:column])
        and re.match(each.rest, line[column:])
        and re.search(each.line, line)
    )
    if meaning.at_opening:
        row, column, line = _spot(error.context_mark or error.problem_mark, lines)
    found = _WORD.match(line, column)
    word = found.group() if found else line[column : column + 1]
    message = meaning.message.format(
        first=word[:1], word=quoted(word), right=corrected_line(line, column), problem=error.problem
    )
    return Fault(file, row + 1, column + 1, message, shown(line))


def _spot(mark: yaml.Mark | None, lines: tuple[str, ...]) -> tuple[int, int, str]:
    """Row and column from 0, and the line."""
    row, column = (mark.line, mark.column) if mark is not None else (0, 0)
    return row, column, lines[row] if row < len(lines) else ""
