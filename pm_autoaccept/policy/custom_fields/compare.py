"""Compare a policy with the account's custom fields: unknown names, wrong kind of request, impossible values."""

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
"""`whenToPrompt` → the kind of request that carries the answer, and its wording."""

_CARRIED: Mapping[str, Mapping[Kind, frozenset[Kind]]] = MappingProxyType(
    {
        "custom.": {kind: frozenset({kind}) for kind in Kind},
        "connection.custom.": {kind: frozenset({Kind.CONNECTION}) for kind in Kind},
        "property.custom.": {Kind.METER: frozenset({Kind.PROPERTY})},
    }
)
"""Prefix → kind of the request that is decided → the kind of request that the answers come from."""

_WHOLE = frozenset({"equals", "in"})
_QUANTIFIERS = frozenset({"every", "some"})
_PARTS = frozenset({"starts_with", "ends_with", "contains"})


@dataclass(frozen=True, slots=True)
class CompareResult:
    """The result of comparing a policy with the account's custom fields.

    Attributes:
        faults: each place where the policy does not fit them.
        never_asked: names of required custom fields that the policy does not use.
    """

    faults: tuple[Fault, ...]
    never_asked: tuple[str, ...]


def compare(files: Mapping[str, bytes], definitions: tuple[CustomFieldDefinition, ...]) -> CompareResult:
    """Compare a policy that loads with all custom fields of the account.

    Args:
        files: the files of the policy, by name.
        definitions: the account's custom fields, each read in full.
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
            f"your account does not define the custom field `{use.name}`{perhaps(use.name, names)}; {have}. Until the "
            "names match, every rule that uses it holds all requests"
        )
        return
    if (elsewhere := _asked_elsewhere(use, definition)) is not None:
        yield use.place.fault(elsewhere)
    if use.test is not None:
        yield from _impossible(use.test, definition, PossibleAnswers.of(definition))


def _asked_elsewhere(use: CustomFieldUse, definition: CustomFieldDefinition) -> str | None:
    """Why some kind of request never has the field, and what to write there; None if all can have it."""
    asked, how = _ASKED.get(definition.when_to_prompt or "", (None, ""))
    carried = _CARRIED[use.prefix]
    lacking = sorted(kind for kind in use.kinds if asked is not None and asked not in carried.get(kind, {asked}))
    if asked is None or not lacking or (use.test is None and len(lacking) < len(use.kinds)):
        return None
    where = f"customers answer `{definition.name}` {how}, so {listed(lacking, 'and')} requests never have {use.field}"
    prefixes = {kind: next((p for p in _CARRIED if asked in _CARRIED[p].get(kind, {})), None) for kind in lacking}
    if None in prefixes.values():
        unreached = listed(kind for kind, prefix in prefixes.items() if prefix is None)
        return f"{where}; {unreached} requests are decided before it is answered: remove them from `on`"
    written = listed(sorted({f"`{prefix}{definition.name}`" for prefix in prefixes.values()}))
    apart = "" if len(lacking) == len(use.kinds) else ", in a separate rule"
    return f"{where}; use {written} there{apart}"


def _impossible(test: Node, definition: CustomFieldDefinition, answers: PossibleAnswers) -> Iterator[Fault]:
    """Each literal that no answer can equal or contain, and each pattern that no answer can match."""
    clean: tuple[Cleaning, ...] = ()
    tests = {"equals": test}
    if isinstance(test, Items):
        tests = {"in": test}
    elif isinstance(test, Entries):
        tests = {key.value: value for key, value in test.entries}
        if "as" in tests:
            return  # 5 and 5.0 are the same number: the answer is not compared as entered
        clean = read_cleanings(tests["clean"], []) if "clean" in tests else ()
    left = answers.after(clean)
    takes = f"Portfolio Manager accepts {_described(answers)} for `{definition.name}`"
    # A part of an answer can be shorter than the answer, but not longer.
    for quantifier in [each for each in tests if each in _QUANTIFIERS]:
        yield from _impossible(tests.pop(quantifier), definition, replace(answers, shortest=1))
    for operator, node in tests.items():
        for text in _texts(node):
            literal = cleaned(text.value, clean)
            if operator == "matches" and not left.may_fit(text.value):
                yield text.place.fault(f"no answer can match this pattern: {takes}{_cleaning_hint(clean)}")
            elif operator in _WHOLE and (operator, node) != ("in", text) and not left.may_be(literal):
                yield text.place.fault(f"no answer can be `{text.value}`: {takes}{_cleaning_hint(clean)}")
            elif operator in _PARTS and not left.may_have(literal):
                yield text.place.fault(f"no answer can contain `{text.value}`: {takes}{_cleaning_hint(clean)}")


def _texts(node: Node) -> tuple[Text, ...]:
    items = node.items if isinstance(node, Items) else (node,)
    return tuple(item for item in items if isinstance(item, Text))


def _cleaning_hint(clean: tuple[Cleaning, ...]) -> str:
    return ", and the answer is cleaned before the comparison" if clean else ""


def _described(answers: PossibleAnswers) -> str:
    least, most = answers.shortest, answers.longest
    of = {DIGITS: "digits", ANY: "characters"}.get(answers.allowed, "letters and digits")
    if most is None:
        return f"{least} or more {of}" if least > 1 else f"any {of}"
    return f"{most} {of}" if least == most else f"{least} to {most} {of}"
