"""What YAML's own errors mean to somebody who wrote a policy: which character it was, and the line put right."""

from __future__ import annotations

import re

import yaml

from pm_autoaccept.errors import Fault

_ENTRY = re.compile(r"^(\s*(?:- +)*(?:[^\s'\"{\[][^:]*: +)?)(\S.*?)\s*$")


def quoted(text: str) -> str:
    """The text in single quotes, as YAML wants it."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def put_right(line: str) -> str:
    """The line with what follows its key, or its dash, in single quotes."""
    found = _ENTRY.match(line)
    if found is None:
        return quoted(line.strip())
    before, text = found.groups()
    return before.strip() + " " + quoted(text) if before.strip() else quoted(text)


def explain(error: yaml.MarkedYAMLError, *, file: str, lines: tuple[str, ...]) -> Fault:
    """A fault that says what stands where YAML gave up, and what to write instead."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Fault(file, 0, 0, f"this is not YAML: {error.problem}")
    line = lines[mark.line] if mark.line < len(lines) else ""
    character = line[mark.column : mark.column + 1]
    problem = error.problem or ""
    if "\t" in line[: mark.column + 1] and not line[: mark.column].strip():
        message = "a tab stands here; indent with spaces"
    elif "mapping values are not allowed" in problem:
        message = f"a second `: ` stands in this line; put the text in single quotes: {put_right(line)}"
    elif "cannot start any token" in problem and character:
        message = f"a text cannot begin with `{character}`; put it in single quotes: {put_right(line)}"
    elif "found unexpected end of stream" in problem:
        message = "a quotation mark is opened and never closed; close it, and double each ' inside single quotes"
    elif not character and mark.line >= len(lines) - 1 and error.context and "flow" in error.context:
        opened = error.context_mark or mark
        message = f"a bracket or brace opened in line {opened.line + 1} is never closed"
    elif character in {"}", "]", ","} or re.search(r"[:-]\s+[{\[]", line):
        message = (
            f"braces, brackets and commas mean something to YAML; put the text in single quotes: {put_right(line)}"
        )
    elif "could not find expected ':'" in problem:
        message = "a `: ` is missing; a key is followed by a colon and a blank, and a longer text is indented further"
    else:
        shown = f"`{character}`" if character else "the end of the line"
        message = f"YAML did not expect {shown} here ({problem}); see that the line is indented like its neighbours"
    return Fault(file, mark.line + 1, mark.column + 1, message, line)
