"""The rules of a policy to start from, as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pm_autoaccept.cli.starter.matches import Match, Question, quoted
from pm_autoaccept.model import CustomFieldDefinition, Kind

_HEAD = """\
# yaml-language-server: $schema=policy.schema.json
#
# A policy to start from, made from what the account {username} asks its customers in Portfolio Manager:
#
{fields}
#
# Rules are tried from top to bottom, and the first one that is true decides. What no rule decides waits for
# people. Lines that begin with # are for you; what stands under `note` is what the customer reads.
# After each change let `check` say what is wrong, and whether the tests in policy.test.yaml still pass.
version: 1

# Your own lists, one value on each line. Nobody is on them until you have put your values in.
data:"""

_FOOT = """
# What no rule decides waits for people. Not for ever, since customers cannot send a corrected request while one
# is waiting. Nothing is ever accepted by waiting.
default:
  then: hold
  expire:
    after: 30d
    then: reject
    note: We could not match your request with our records. Please look at what you entered, and ask again.
"""

_CLEANED = {
    "": (),
    "fold_case": ("# Capitals do not count.", "clean: fold_case"),
    "[letters_digits, fold_case]": (
        "# Only letters and digits are compared, and capitals do not count: 00-12 a is found as 0012A.",
        "clean: [letters_digits, fold_case]",
    ),
}

_FOLLOWS = ("any:", "  - property.share: shared", "  - property.verdict: accept")
"""The conditions of meters that follow their property."""

_WHEN = {
    "Once": "asked once, when a customer connects",
    "Property": "asked with each property share",
    "Meter": "asked with each meter share",
}


def text(
    definitions: Sequence[CustomFieldDefinition],
    questions: Iterable[Question],
    matches: Iterable[Match],
    *,
    username: str,
) -> str:
    """The whole file."""
    fields = [f"#   {_told(each)}" for each in definitions]
    nothing = ["#   nothing: it has no custom fields, so customers are matched by their username"]
    lines = [_HEAD.format(username=username, fields="\n".join(fields or nothing))]
    for question in questions:
        lines += [f"  {question.source}:", f"    lines: {question.file}"]
        lines += [f"    {line}" for line in _CLEANED[question.clean]]
    lines += ["", "rules:"]
    lines.append("\n\n".join("\n".join(_rule(match)) for match in matches))
    return "\n".join(lines) + "\n" + _FOOT


def _told(definition: CustomFieldDefinition) -> str:
    """One custom field, in a comment."""
    parts = [_WHEN.get(definition.when_to_prompt or "", "asked")]
    parts.append("must be filled in" if definition.required else "may be left out")
    if definition.max_chars:
        parts.append(f"{max(definition.min_chars or 1, 1)} to {definition.max_chars} characters")
    if definition.valid_characters not in {None, "Any"}:
        parts.append(f"{(definition.valid_characters or '').lower()} only")
    return f"{' '.join(definition.name.split())}: {', '.join(parts)}"


def _rule(match: Match) -> Iterator[str]:
    kinds = {Kind.CONNECTION: "Connections", Kind.PROPERTY: "Properties", Kind.METER: "Meters"}[match.kind]
    if match.fields:
        yield f"  # {kinds}: the {match.says} must be in your list."
    else:
        yield f"  # {kinds}: their property must be shared with you, or be about to."
    yield f"  - id: {match.rule}"
    yield f"    on: {match.kind}"
    yield "    when:"
    looked_up = [f"{quoted(field)}: {{in: {question.source}}}" for field, question in match.fields]
    yield from (f"      {line}" for line in looked_up or _FOLLOWS)
    yield "    then: accept"
    if match.kind is Kind.CONNECTION:
        yield "    note: Welcome! You can now share your properties and meters with us."
