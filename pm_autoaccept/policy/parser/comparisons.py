"""Parse the tests of a field: operators, literals, `clean`, `split`, `same_as` and data names, with type checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeGuard

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy import operators, synonyms
from pm_autoaccept.policy.cleaning import Cleaning, read_cleanings
from pm_autoaccept.policy.conditions import AllOf, Column, Comparison, Condition, SameAs, Split, Test
from pm_autoaccept.policy.data.sources import Source
from pm_autoaccept.policy.fields import Field, is_custom, part
from pm_autoaccept.policy.messages import listed, perhaps, some
from pm_autoaccept.policy.operators import KEYED, MODIFIERS, OPERATORS, Operator, Takes
from pm_autoaccept.policy.parser.field_names import FieldNames
from pm_autoaccept.policy.parser.literals import LiteralReader
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Place, Text
from pm_autoaccept.policy.parser.types import TypeReader, comparison_type
from pm_autoaccept.policy.private import HIDDEN
from pm_autoaccept.policy.split_answers import PartOf, Separators, read_separators
from pm_autoaccept.policy.values import FieldType, NotAValue, read_value


@dataclass(frozen=True, slots=True)
class _How:
    """How one mapping of operators reads the field's value and its literals."""

    type: FieldType
    clean: tuple[Cleaning, ...] = ()
    read_as: FieldType | None = None
    within: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ComparisonReader:
    """Parses the tests of one field at a time.

    Attributes:
        names: parses the names of fields that a field is compared with.
        sources: the data that the policy declares; None for a declaration with errors.
        all_declared: whether every file could be read, so that an undeclared name is an error.
        faults: errors are added here.
    """

    names: FieldNames
    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]

    def test(self, field: Field | Column, node: Node) -> Condition | None:
        """Parse what follows a field: a value, a list of values, or operators."""
        how = _How(field.type)
        if isinstance(node, Text):
            return self._compare(field, OPERATORS["equals"], node, how)
        if isinstance(node, Items):
            return self._compare(field, OPERATORS["in"], node, how)
        if not isinstance(node, Entries):
            return None
        splits = any(key.value in _OF_PARTS for key, _ in node.entries)
        return self._split(field, node) if splits else self._operators(field, node)

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def _operators(self, field: Field | Column, node: Entries) -> Condition:
        tests: list[Test | None] = []
        how = self._how(field, node)
        for key, value in node.entries:
            if key.value in OPERATORS:
                tests.append(self._compare(field, OPERATORS[key.value], value, how))
            elif key.value not in MODIFIERS:
                self._refuse_operator(key)
        if all(key.value in MODIFIERS for key, _ in node.entries):
            first = node.entries[0][0].value
            self._refuse(node.place, f"`{first}` needs an operator next to it; add one, for example equals")
        return AllOf(tuple(test for test in tests if test is not None))

    def _refuse_operator(self, key: Text) -> None:
        meant = perhaps(key.value, (*OPERATORS, *MODIFIERS, synonyms.NEGATED), synonyms.OPERATOR)
        known = listed(OPERATORS, "and")
        self._refuse(key.place, f"unknown operator `{key.value}`{meant}; allowed operators: {known}")

    def _split(self, field: Field | Column, node: Entries) -> Condition | None:
        """Parse `split`: the separators of an answer with several values, and the tests of its parts."""
        found = {key.value: value for key, value in node.entries}
        asked = [(key, value) for key, value in node.entries if key.value in _QUANTIFIERS]
        for key, _ in node.entries:
            if key.value not in OPERATORS and key.value not in MODIFIERS:
                self._refuse_operator(key)
            elif key.value not in _OF_PARTS:
                why = f"with `split`, tests apply to the parts; write every: {{{key.value}: …}} or some: …"
                self._refuse(key.place, f"{why}, or test the whole answer separately, under `all:`")
        if "split" not in found:
            first = asked[0][0]
            self._refuse(first.place, f"`{first.value}` tests the parts of an answer; add {_SPLIT_EXAMPLE}")
        elif len(node.entries) == 1:
            self._refuse(node.place, "`split` needs a test of the parts; add every: TEST or some: TEST")
        separators = read_separators(found["split"], self.faults) if "split" in found else None
        if not self._can_be_split(field, node.place):
            return None
        tests = (self._of_parts(field, key.value == "every", separators or _PLACEHOLDER, value) for key, value in asked)
        return AllOf(tuple(test for test in tests if test is not None))

    def _can_be_split(self, field: Field | Column, place: Place) -> TypeGuard[Field]:
        """Whether the field is a text of the request and not already a part; otherwise it is refused."""
        if isinstance(field, Column):
            why = "a cell holds one value; give each value its own row"
            self._refuse(place, f"`split` is for answers of customers, but `{field.name}` is a column: {why}")
        elif field.part_of is not None:
            self._refuse(place, "a part cannot be split again; list all separators in one `split`")
        elif field.type is not FieldType.TEXT:
            self._refuse(place, f"`split` is for text, but `{field.name}` is {_a(field.type, field)}; remove it")
        else:
            return True
        return False

    def _of_parts(self, field: Field, every: bool, separators: Separators, node: Node) -> Split | None:  # noqa: FBT001 - `every` or `some`, as written
        part_of = PartOf(separators, every)
        test = self.test(part(field, part_of), node)
        return None if test is None else Split(field=field, part_of=part_of, test=test)

    def _how(self, field: Field | Column, node: Entries) -> _How:
        found = {key.value: (key, value) for key, value in node.entries}
        read_as = TypeReader(self.faults).of(field, node)
        kind = read_as or field.type
        return _How(
            type=kind,
            clean=self._clean(field, node, kind) if "clean" in found else (),
            read_as=read_as,
            within=self._within(field, *found["within"], kind, found) if "within" in found else None,
        )

    def _clean(self, field: Field | Column, node: Entries, kind: FieldType) -> tuple[Cleaning, ...]:
        """Parse `clean` next to a test."""
        key, value = next(entry for entry in node.entries if entry[0].value == "clean")
        if kind is not FieldType.TEXT:
            self._refuse(key.place, f"`clean` is for text, but `{field.name}` is {_a(kind, field)}; remove it")
        if any(each.value == "in" and isinstance(test, Text) for each, test in node.entries):
            self._refuse(key.place, "`clean` is not allowed with a data name; move it to the declaration of the data")
        return read_cleanings(value, self.faults)

    def _within(
        self, field: Field | Column, key: Text, node: Node, kind: FieldType, found: Mapping[str, tuple[Text, Node]]
    ) -> Decimal | None:
        """Parse `within` next to `same_as`."""
        if "same_as" not in found:
            self._refuse(key.place, "`within` needs `same_as` next to it; add it, or remove `within`")
        if kind not in operators.NUMBERS:
            self._refuse(key.place, f"`within` is for numbers, but `{field.name}` is {_a(kind, field)}{_hint(field)}")
        try:
            most = read_value(node.value, FieldType.NUMBER) if isinstance(node, Text) else None
        except NotAValue:
            most = None
        if isinstance(most, Decimal) and most >= 0:
            return most
        if not isinstance(node, Broken):
            self._refuse(node.place, "invalid `within`; use a number of 0 or more, for example within: 0.01")
        return None

    def _compare(self, field: Field | Column, operator: Operator, node: Node, how: _How) -> Test | None:
        if isinstance(node, Broken) or not self._fits(field, operator, node, how):
            return None
        if operator.name == "in" and isinstance(node, Text):
            return self._look_up(field, operator, node, how)
        if operator.takes is Takes.FIELD:
            return self._same_as(field, node, how)
        reader = LiteralReader(self.faults)
        texts = reader.texts(operator, node)
        read = (reader.literal(field, operator, text, kind=how.type, clean=how.clean) for text in texts)
        literals = tuple(literal for literal in read if literal is not None)
        if len(literals) < len(texts) or not texts:
            return None
        if operator.takes is Takes.YES_OR_NO:
            expected = operators.YES_NO_WORDS[operator.name][literals[0]]
        else:
            shown = HIDDEN if field.private else some(text.value for text in texts)
            expected = operator.reads + ("one of " if len(texts) > 1 else "") + shown
        return Comparison(
            field=field,
            operator=operator,
            literals=literals,
            expected=expected,
            clean=how.clean,
            read_as=how.read_as,
            place=node.place,
        )

    def _fits(self, field: Field | Column, operator: Operator, node: Node, how: _How) -> bool:
        """Whether the operator can be used with the field; otherwise it is refused."""
        if how.type not in operator.types:
            wanted = f"`{operator.name}` is for {listed(sorted(operator.types))}"
            self._refuse(node.place, f"{wanted}, but `{field.name}` is {_a(how.type, field)}{_hint(field)}")
        elif operator.name == "present" and isinstance(field, Column):
            why = "a blank cell in your data makes the rule unknown"
            self._refuse(node.place, f"`present` is for fields of the request, not columns: {why}; remove it")
        elif operator.name == "taken" and not is_custom(field):
            self._refuse(node.place, f"`taken` is for custom fields, but `{field.name}` is not one; remove it")
        elif operator.name == "taken" and field.private:
            why = "the ledger does not store values of private fields, so it cannot find who else has the same"
            self._refuse(node.place, f"`taken` cannot test `{field.name}`: {why}; remove `taken` or `private`")
        elif operator.name == "taken" and field.part_of is not None and field.part_of.every:
            why = "one added part that nobody has would defeat it"
            instead = "write `some: {taken: true}`, or put it under `not` to require that nobody has any part"
            self._refuse(node.place, f"`taken` is not allowed under `every`: {why}; {instead}")
        else:
            return True
        return False

    def _look_up(self, field: Field | Column, operator: Operator, name: Text, how: _How) -> Comparison:
        source = self.sources.get(name.value)
        if name.value not in self.sources and self.all_declared:
            meant = perhaps(name.value, self.sources)
            instead = f"declare it under `data:`, or write a list: [{name.value}]"
            self._refuse(name.place, f"unknown data name `{name.value}`{meant}; {instead}")
        if field.type not in KEYED:
            why = f"`{field.name}` is {_a(field.type, field)}, and one value can be spelled in several ways"
            self._refuse(name.place, f"cannot look up this field in data: {why}; look up {listed(sorted(KEYED))}")
        if how.read_as is not None:
            why = f"`{field.name}` is read as a {how.read_as} here, but data is looked up as text"
            self._refuse(name.place, f"{why}; use two separate tests under `all:`")
        if source is not None and len(source.key) > 1:
            columns = listed(source.key, "and")
            self._refuse(name.place, f"the key of `{name.value}` has several columns ({columns}); use `lookup`")
        clean = source.clean.get(source.key[0], ()) if source is not None else ()
        if source is not None and field.lower_case and Cleaning("fold_case") not in clean:
            self._refuse(name.place, f"`{field.name}` is in lower case; add `clean: fold_case` to data `{name.value}`")
        return Comparison(field=field, operator=operator, expected=f"in {name.value}", source=name.value, clean=clean)

    def _same_as(self, field: Field | Column, node: Text | Items | Entries, how: _How) -> SameAs | None:
        if not isinstance(node, Text):
            self._refuse(node.place, "invalid `same_as`; use the name of one other field")
            return None
        other = self.names.field(node)
        if other is None:
            return None
        if other.name.casefold() == field.name.casefold():
            self._refuse(node.place, f"`{other.name}` is compared with itself; name another field")
            return None
        read_as = how.read_as or comparison_type(other, how.type)
        other_type = comparison_type(other, how.type) or other.type
        if operators.comparable_types(how.type) != operators.comparable_types(other_type):
            what = f"`{other.name}` is {_a(other.type, other)}, but `{field.name}` is {_a(how.type, field)}"
            self._refuse(node.place, f"{what}; compare fields of the same type")
            return None
        return SameAs(
            field=field,
            other=other,
            within=how.within,
            clean=(*how.clean, Cleaning("fold_case")) if field.lower_case or other.lower_case else how.clean,
            read_as=read_as,
        )


_QUANTIFIERS = ("every", "some")
_OF_PARTS = frozenset({"split", *_QUANTIFIERS})
_SPLIT_EXAMPLE = "the separators, for example split: [';', newline]"
_PLACEHOLDER = Separators(("newline",))
"""Replaces separators that were refused, so that the tests are still checked."""


def _a(kind: FieldType, field: Field | Column) -> str:
    """The type with its article, for messages: `a date`, or `read as a date`."""
    return f"{'read as ' if kind is not field.type else ''}{'an' if kind is FieldType.INTEGER else 'a'} {kind}"


def _hint(field: Field | Column) -> str:
    """A hint for a text that is compared like a number or a date."""
    if isinstance(field, Column) and field.type is FieldType.TEXT:
        return f"; declare its type with the data, for example columns: {{{field.column}: number}}"
    return "; compare a custom field with a number or a date" if is_custom(field) else ""
