"""A policy beside the custom fields that an account defines: what is misnamed, asked elsewhere, or can never be so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import CustomFieldDefinition, Kind
from pm_autoaccept.policy.cleaning import Cleaning, cleaned, read_cleanings
from pm_autoaccept.policy.custom_fields.field_uses import CustomFieldUse, custom_field_uses
from pm_autoaccept.policy.custom_fields.possible_answers import ANY, DIGITS, PossibleAnswers
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.messages import listed, perhaps, some
from pm_autoaccept.policy.parser.source_text import Entries, Items, Node, Text

_ASKED: Mapping[str, tuple[Kind, str]] = MappingProxyType(
    {
        "Once": (Kind.CONNECTION, "once, when a customer connects"),
        "Property": (Kind.PROPERTY, "with each property share"),
        "Meter": (Kind.METER, "with each meter share"),
    }
)
"""`whenToPrompt` → the kind of request that carries the answer, and how to say it."""

_CARRIED: Mapping[str, Mapping[Kind, frozenset[Kind]]] = MappingProxyType(
    {
        "custom.": {kind: frozenset({kind}) for kind in Kind},
        "connection.custom.": {kind: frozenset({Kind.CONNECTION}) for kind in Kind},
        "property.custom.": {Kind.METER: frozenset({Kind.PROPERTY})},
    }
)
"""Prefix → kind of request that is judged → the kind whose answers the field brings there."""

_WHOLE = frozenset({"equals", "in"})
_QUANTIFIERS = frozenset({"every", "some"})
_PARTS = frozenset({"starts_with", "ends_with", "contains"})


@dataclass(frozen=True, slots=True)
class CompareResult:
    """What came of laying a policy beside the account's custom fields.

    Attributes:
        faults: each place where the policy does not go with them.
        never_asked: names of what customers must fill in, and nothing in the policy asks for.
    """

    faults: tuple[Fault, ...]
    never_asked: tuple[str, ...]


def compare(files: Mapping[str, bytes], definitions: tuple[CustomFieldDefinition, ...]) -> CompareResult:
    """Lay a policy that loads beside all custom fields that the account defines, each read in full.

    Args:
        files: the policy's, by name.
        definitions: the account's.
    """
    uses = tuple(custom_field_uses(files))
    asked = {name_key(use.name) for use in uses}
    return CompareResult(
        faults=tuple(fault for use in uses for fault in _faults(use, definitions)),
        never_asked=tuple(each.name for each in definitions if each.required and name_key(each.name) not in asked),
    )


def _faults(use: CustomFieldUse, definitions: tuple[CustomFieldDefinition, ...]) -> Iterator[Fault]:
    definition = next((each for each in definitions if name_key(each.name) == name_key(use.name)), None)
    if definition is None:
        names = [each.name for each in definitions]
        have = f"it defines {some(names, 8)}" if names else "it defines none"
        yield use.place.fault(
            f"our account defines no custom field `{use.name}`{perhaps(use.name, names)}; {have}. Until the names are "
            "the same, what asks for it holds every request"
        )
        return
    if (elsewhere := _asked_elsewhere(use, definition)) is not None:
        yield use.place.fault(elsewhere)
    if use.test is not None:
        yield from _impossible(use.test, definition, PossibleAnswers.of(definition))


def _asked_elsewhere(use: CustomFieldUse, definition: CustomFieldDefinition) -> str | None:
    """That on some kind of request the field is never there, and how to reach it; None where it always may be."""
    asked, how = _ASKED.get(definition.when_to_prompt or "", (None, ""))
    carried = _CARRIED[use.prefix]
    lacking = sorted(kind for kind in use.kinds if asked is not None and asked not in carried.get(kind, {asked}))
    if asked is None or not lacking or (use.test is None and len(lacking) < len(use.kinds)):
        return None
    where = f"`{definition.name}` is asked {how}, so {use.field} is never there on {listed(lacking)} requests"
    prefixes = {kind: next((p for p in _CARRIED if asked in _CARRIED[p].get(kind, {})), None) for kind in lacking}
    if None in prefixes.values():
        unreached = listed(kind for kind, prefix in prefixes.items() if prefix is None)
        return f"{where}; what is asked later is not known when {unreached} requests are judged: leave them out"
    written = listed(sorted({f"`{prefix}{definition.name}`" for prefix in prefixes.values()}))
    apart = "" if len(lacking) == len(use.kinds) else ", in a rule of its own"
    return f"{where}; write {written} there{apart}"


def _impossible(test: Node, definition: CustomFieldDefinition, answers: PossibleAnswers) -> Iterator[Fault]:
    """Each literal, and each pattern, that no answer can be, or can fit."""
    clean: tuple[Cleaning, ...] = ()
    tests = {"equals": test}
    if isinstance(test, Items):
        tests = {"in": test}
    elif isinstance(test, Entries):
        tests = {key.value: value for key, value in test.entries}
        if "as" in tests:
            return  # 5 and 5.0 are the same number: what is typed is not what is compared
        clean = read_cleanings(tests["clean"], []) if "clean" in tests else ()
    left = answers.after(clean)
    takes = f"Portfolio Manager takes {_described(answers)} for `{definition.name}`"
    # A part of an answer may be shorter than the answer, and not longer.
    for quantifier in [each for each in tests if each in _QUANTIFIERS]:
        yield from _impossible(tests.pop(quantifier), definition, replace(answers, shortest=1))
    for operator, node in tests.items():
        for text in _texts(node):
            literal = cleaned(text.value, clean)
            if operator == "matches" and not left.may_fit(text.value):
                yield text.place.fault(f"no answer can fit this pattern: {takes}{_then(clean)}")
            elif operator in _WHOLE and (operator, node) != ("in", text) and not left.may_be(literal):
                yield text.place.fault(f"no answer can be `{text.value}`: {takes}{_then(clean)}")
            elif operator in _PARTS and not left.may_have(literal):
                yield text.place.fault(f"no answer can have `{text.value}` in it: {takes}{_then(clean)}")


def _texts(node: Node) -> tuple[Text, ...]:
    items = node.items if isinstance(node, Items) else (node,)
    return tuple(item for item in items if isinstance(item, Text))


def _then(clean: tuple[Cleaning, ...]) -> str:
    return ", and the answer is cleaned before it is compared" if clean else ""


def _described(answers: PossibleAnswers) -> str:
    least, most = answers.shortest, answers.longest
    of = {DIGITS: "digits", ANY: "characters"}.get(answers.allowed, "letters and digits")
    if most is None:
        return f"{least} or more {of}" if least > 1 else f"any {of}"
    return f"{most} {of}" if least == most else f"{least} to {most} {of}"
