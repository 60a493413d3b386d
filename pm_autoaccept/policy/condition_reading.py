"""From `when:` to conditions: names, types and literals are checked here, once, when the policy is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import re2

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Kind
from pm_autoaccept.policy import operators
from pm_autoaccept.policy.cleaning import Cleaning, cleaned, fold, read_cleanings
from pm_autoaccept.policy.conditions import ALWAYS, AllOf, AnyOf, Comparison, Condition, Not
from pm_autoaccept.policy.fields import CUSTOM, FIELDS, Field, field_named
from pm_autoaccept.policy.operators import OPERATORS, Operator, Takes
from pm_autoaccept.policy.source_text import Broken, Entries, Items, Node, Place, Text
from pm_autoaccept.policy.sources import Source
from pm_autoaccept.policy.values import FieldType, NotAValue, read_value
from pm_autoaccept.policy.wording import listed, not_yet, perhaps, some

_GROUPS = ("all", "any", "not")


@dataclass(frozen=True, slots=True)
class ConditionReader:
    """Reads the conditions of one rule.

    Attributes:
        kinds: the kinds of request that the rule is on.
        sources: the data that the policy declares; None for a name whose declaration has faults.
        all_declared: whether every file could be read, so that a missing declaration is really missing.
        faults: what is wrong is added here.
    """

    kinds: frozenset[Kind]
    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]

    def when(self, node: Node) -> Condition:
        """What stands after `when:`."""
        if isinstance(node, Text) and node.value == "always":
            return ALWAYS
        return self._conditions(node)

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def _conditions(self, node: Node) -> Condition:
        if isinstance(node, Entries):
            parts = [self._entry(key, value) for key, value in node.entries]
            return AllOf(tuple(part for part in parts if part is not None))
        if not isinstance(node, Broken):
            message = "conditions are fields and their tests, as `account.username: spam_one`; `always` stands for none"
            self._refuse(node.place, message)
        return ALWAYS

    def _entry(self, key: Text, node: Node) -> Condition | None:
        if key.value == "not":
            return Not(self._conditions(node))
        if key.value in _GROUPS:
            return self._group(key, node)
        if key.value in operators.NOT_YET:
            self._refuse(key.place, not_yet(key.value, "take it out, or hold such requests for people"))
            return None
        field = self._field(key)
        return None if field is None else self._test(field, node)

    def _group(self, key: Text, node: Node) -> Condition | None:
        if isinstance(node, Items):
            parts = tuple(self._conditions(item) for item in node.items)
            return AllOf(parts) if key.value == "all" else AnyOf(parts)
        if not isinstance(node, Broken):
            self._refuse(node.place, f"`{key.value}` is followed by a list of conditions; begin each with a dash")
        return None

    def _field(self, key: Text) -> Field | None:
        name = key.value
        field = field_named(name)
        if field is None and name in OPERATORS:
            self._refuse(key.place, f"`{name}` is an operator; write the field before it, as `field: {{{name}: …}}`")
        elif field is None:
            meant = perhaps(name, (*FIELDS, *CUSTOM, *_GROUPS))
            names = "`account.username`, `meter.type`, `custom.NAME`"
            self._refuse(key.place, f"there is no field `{name}`{meant}; fields are named as in {names}")
        elif lacking := sorted(self.kinds - field.kinds):
            where = f"it stands on {listed(sorted(field.kinds))} requests only: make a rule of its own for those"
            self._refuse(key.place, f"a {lacking[0]} request never has `{name}`; {where}")
        return field

    def _test(self, field: Field, node: Node) -> Condition | None:
        if isinstance(node, Text):
            return self._compare(field, OPERATORS["equals"], node, ())
        if isinstance(node, Items):
            return self._compare(field, OPERATORS["in"], node, ())
        return self._operators(field, node) if isinstance(node, Entries) else None

    def _operators(self, field: Field, node: Entries) -> Condition:
        found = {key.value: value for key, value in node.entries}
        clean = self._clean(field, node) if "clean" in found else ()
        comparisons = []
        for key, value in node.entries:
            if key.value in OPERATORS:
                comparisons.append(self._compare(field, OPERATORS[key.value], value, clean))
            elif key.value in operators.NOT_YET:
                self._refuse(key.place, not_yet(key.value, "take it out, or hold such requests for people"))
            elif key.value != "clean":
                meant = perhaps(key.value, OPERATORS)
                self._refuse(key.place, f"there is no operator `{key.value}`{meant}; there are {listed(OPERATORS)}")
        if set(found) == {"clean"}:
            self._refuse(node.place, "`clean` stands beside a test; say what the cleaned value must be")
        return AllOf(tuple(comparison for comparison in comparisons if comparison is not None))

    def _clean(self, field: Field, node: Entries) -> tuple[Cleaning, ...]:
        """What stands after `clean:` beside a test."""
        key, value = next(entry for entry in node.entries if entry[0].value == "clean")
        if field.type is not FieldType.TEXT:
            self._refuse(key.place, f"`clean` is for text, and `{field.name}` is a {field.type}; take it out")
        if any(each.value == "in" and isinstance(test, Text) for each, test in node.entries):
            self._refuse(key.place, "data says itself how its keys are cleaned; move `clean` to where it is declared")
        return read_cleanings(value, self.faults)

    def _compare(self, field: Field, operator: Operator, node: Node, clean: tuple[Cleaning, ...]) -> Comparison | None:
        if isinstance(node, Broken):
            return None
        if field.type not in operator.types:
            wanted = listed(sorted(operator.types))
            self._refuse(node.place, f"`{operator.name}` is for {wanted}, and `{field.name}` is a {field.type}")
            return None
        if operator.name == "in" and isinstance(node, Text):
            return self._look_up(field, operator, node)
        texts = self._texts(operator, node)
        literals = [literal for text in texts if (literal := self._literal(field, operator, text, clean)) is not None]
        if len(literals) < len(texts) or not texts:
            return None
        if operator.takes is Takes.YES_OR_NO:
            expected = "present" if literals[0] else "absent"
        else:
            expected = operator.reads + ("one of " if len(texts) > 1 else "") + some(text.value for text in texts)
        return Comparison(field=field, operator=operator, literals=tuple(literals), expected=expected, clean=clean)

    def _look_up(self, field: Field, operator: Operator, name: Text) -> Comparison:
        source = self.sources.get(name.value)
        if name.value not in self.sources and self.all_declared:
            meant = perhaps(name.value, self.sources)
            instead = f"declare it under `data:`, or write a list: [{name.value}]"
            self._refuse(name.place, f"no data is called `{name.value}`{meant}; {instead}")
        clean = source.clean if source is not None else ()
        return Comparison(field=field, operator=operator, expected=f"in {name.value}", source=name.value, clean=clean)

    def _texts(self, operator: Operator, node: Text | Items | Entries) -> tuple[Text, ...]:
        """The literals as written; none if what stands there is not what the operator takes."""
        if isinstance(node, Text):
            return (node,)
        if isinstance(node, Items) and operator.takes in {Takes.LIST_OR_DATA, Takes.TEXTS}:
            texts = tuple(item for item in node.items if isinstance(item, Text))
            for item in node.items:
                if isinstance(item, Items | Entries):
                    self._refuse(item.place, "one value stands here, not a list or a mapping")
            return texts
        hint = "; for several values use `in: [a, b]`" if isinstance(node, Items) and operator.name == "equals" else ""
        self._refuse(node.place, f"`{operator.name}` takes {operator.takes}{hint}")
        return ()

    def _literal(self, field: Field, operator: Operator, text: Text, clean: Iterable[Cleaning]) -> Any | None:  # noqa: ANN401 - a value or a compiled pattern
        if operator.takes is Takes.PATTERN:
            return self._pattern(text)
        kind = field.type
        if operator.takes is Takes.YES_OR_NO:
            kind = FieldType.BOOLEAN
        elif operator.takes is Takes.TEXTS:
            kind = FieldType.TEXT
        try:
            literal = read_value(text.value, kind, field.members)
        except NotAValue as error:
            self._refuse(text.place, f"`{field.name}`: {error}")
            return None
        if not isinstance(literal, str):
            return literal
        literal = cleaned(literal.casefold() if field.lower_case else literal, tuple(clean))
        if not literal:
            self._refuse(text.place, f"`{text.value}` is blank after cleaning and would match nothing")
        return literal or None

    def _pattern(self, text: Text) -> Any | None:  # noqa: ANN401 - google-re2 ships no types
        if fold(text.value) != text.value:
            rule = "values are compared without outer blanks, in NFKC, with hyphens for all dashes"
            self._refuse(text.place, f"{rule}; write the pattern so too: {fold(text.value)}")
            return None
        options = re2.Options()
        options.log_errors = False
        try:
            return re2.compile(text.value, options)
        except re2.error as error:
            why = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
            self._refuse(text.place, f"RE2 refuses this pattern: {why}")
            return None
