"""From a field and what stands after it to tests: operators, literals and types are checked here."""

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
    """How the field's value, and what it is compared with, is read in one mapping of operators."""

    type: FieldType
    clean: tuple[Cleaning, ...] = ()
    read_as: FieldType | None = None
    within: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ComparisonReader:
    """Reads the tests of one field at a time.

    Attributes:
        names: reads the names of the fields that a field is compared with.
        sources: the data that the policy declares; None for a name whose declaration has faults.
        all_declared: whether every file could be read, so that a missing declaration is really missing.
        faults: what is wrong is added here.
    """

    names: FieldNames
    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]

    def test(self, field: Field | Column, node: Node) -> Condition | None:
        """What stands after the field: a value, a list of values, or operators."""
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
            self._refuse(node.place, f"`{first}` stands beside a test; say what the value must be")
        return AllOf(tuple(test for test in tests if test is not None))

    def _refuse_operator(self, key: Text) -> None:
        meant = perhaps(key.value, (*OPERATORS, *MODIFIERS, synonyms.NEGATED), synonyms.OPERATOR)
        self._refuse(key.place, f"there is no operator `{key.value}`{meant}; there are {listed(OPERATORS)}")

    def _split(self, field: Field | Column, node: Entries) -> Condition | None:
        """An answer with several values: where it is split, and what each part must be."""
        found = {key.value: value for key, value in node.entries}
        asked = [(key, value) for key, value in node.entries if key.value in _QUANTIFIERS]
        for key, _ in node.entries:
            if key.value not in OPERATORS and key.value not in MODIFIERS:
                self._refuse_operator(key)
            elif key.value not in _OF_PARTS:
                why = f"beside `split` a test is of the parts; write every: {{{key.value}: …}}, or some"
                self._refuse(key.place, f"{why}; what asks the whole answer is a test of its own, under `all:`")
        if "split" not in found:
            first = asked[0][0]
            self._refuse(first.place, f"`{first.value}` asks the parts of an answer; say {_SPLIT_HOW}")
        elif len(node.entries) == 1:
            self._refuse(node.place, "`split` stands beside a test of the parts; say every: TEST, or some: TEST")
        separators = read_separators(found["split"], self.faults) if "split" in found else None
        if not self._can_be_split(field, node.place):
            return None
        tests = (self._of_parts(field, key.value == "every", separators or _NO_MATTER, value) for key, value in asked)
        return AllOf(tuple(test for test in tests if test is not None))

    def _can_be_split(self, field: Field | Column, place: Place) -> TypeGuard[Field]:
        """Whether it is a text of the request, and no part already; otherwise it is refused."""
        if isinstance(field, Column):
            why = "your own table has one value in a cell; give each value a row"
            self._refuse(place, f"`split` is for what customers type, and `{field.name}` is a column: {why}")
        elif field.part_of is not None:
            self._refuse(place, "a part is not split again; name all separators in one `split`")
        elif field.type is not FieldType.TEXT:
            self._refuse(place, f"`split` is for text, and `{field.name}` is {_a(field.type, field)}; take it out")
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
        """What stands after `clean:` beside a test."""
        key, value = next(entry for entry in node.entries if entry[0].value == "clean")
        if kind is not FieldType.TEXT:
            self._refuse(key.place, f"`clean` is for text, and `{field.name}` is {_a(kind, field)}; take it out")
        if any(each.value == "in" and isinstance(test, Text) for each, test in node.entries):
            self._refuse(key.place, "data says itself how its keys are cleaned; move `clean` to where it is declared")
        return read_cleanings(value, self.faults)

    def _within(
        self, field: Field | Column, key: Text, node: Node, kind: FieldType, found: Mapping[str, tuple[Text, Node]]
    ) -> Decimal | None:
        """What stands after `within:` beside `same_as`."""
        if "same_as" not in found:
            self._refuse(key.place, "`within` stands beside `same_as`: by how much the two may differ")
        if kind not in operators.NUMBERS:
            self._refuse(key.place, f"`within` is for numbers, and `{field.name}` is {_a(kind, field)}{_hint(field)}")
        try:
            most = read_value(node.value, FieldType.NUMBER) if isinstance(node, Text) else None
        except NotAValue:
            most = None
        if isinstance(most, Decimal) and most >= 0:
            return most
        if not isinstance(node, Broken):
            self._refuse(node.place, "`within` is a number, 0 or more, as within: 0.01")
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
        """Whether the operator is for what the field holds; otherwise it is refused."""
        if how.type not in operator.types:
            wanted = f"`{operator.name}` is for {listed(sorted(operator.types))}"
            self._refuse(node.place, f"{wanted}, and `{field.name}` is {_a(how.type, field)}{_hint(field)}")
        elif operator.name == "present" and isinstance(field, Column):
            why = "a blank cell of your own table is no gap of the customer's, and makes the rule unknown"
            self._refuse(node.place, f"`present` is for fields of the request; {why}: take it out")
        elif operator.name == "taken" and not is_custom(field):
            self._refuse(node.place, f"`taken` is for custom fields, and `{field.name}` is none; take it out")
        elif operator.name == "taken" and field.private:
            why = "the ledger does not have the values of a private field, so nobody can say who else has the same"
            self._refuse(node.place, f"`taken` cannot be asked of `{field.name}`: {why}; take one of the two out")
        elif operator.name == "taken" and field.part_of is not None and field.part_of.every:
            why = "another part, that nobody has, would do away with it"
            instead = "write `some: {taken: true}`, or `not` before that, which asks that nobody has any part"
            self._refuse(node.place, f"`taken` stands under `some`, not under `every`: {why}; {instead}")
        else:
            return True
        return False

    def _look_up(self, field: Field | Column, operator: Operator, name: Text, how: _How) -> Comparison:
        source = self.sources.get(name.value)
        if name.value not in self.sources and self.all_declared:
            meant = perhaps(name.value, self.sources)
            instead = f"declare it under `data:`, or write a list: [{name.value}]"
            self._refuse(name.place, f"no data is called `{name.value}`{meant}; {instead}")
        if field.type not in KEYED:
            why = f"and `{field.name}` is {_a(field.type, field)}, of which one value can be written in many ways"
            self._refuse(name.place, f"what is looked up in data is {listed(sorted(KEYED))}, {why}")
        if how.read_as is not None:
            why = f"and `{field.name}` is read as a {how.read_as} here; give each a test of its own, under `all:`"
            self._refuse(name.place, f"what is looked up in data is a text, {why}")
        if source is not None and len(source.key) > 1:
            columns = listed(source.key)
            self._refuse(name.place, f"the key of `{name.value}` has several columns ({columns}); use `lookup`")
        clean = source.clean.get(source.key[0], ()) if source is not None else ()
        if source is not None and field.lower_case and Cleaning("fold_case") not in clean:
            self._refuse(name.place, f"`{field.name}` is in lower case; declare `{name.value}` with `clean: fold_case`")
        return Comparison(field=field, operator=operator, expected=f"in {name.value}", source=name.value, clean=clean)

    def _same_as(self, field: Field | Column, node: Text | Items | Entries, how: _How) -> SameAs | None:
        if not isinstance(node, Text):
            self._refuse(node.place, "`same_as` is followed by the name of one other field")
            return None
        other = self.names.field(node)
        if other is None:
            return None
        if other.name.casefold() == field.name.casefold():
            self._refuse(node.place, f"`{other.name}` is always the same as itself; name another field")
            return None
        read_as = how.read_as or comparison_type(other, how.type)
        other_type = comparison_type(other, how.type) or other.type
        if operators.comparable_types(how.type) != operators.comparable_types(other_type):
            what = f"`{other.name}` is {_a(other.type, other)}, and `{field.name}` is {_a(how.type, field)}"
            self._refuse(node.place, f"{what}; the two can never be the same")
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
_SPLIT_HOW = "where it is split, as split: [';', newline]"
_NO_MATTER = Separators(("newline",))
"""Stands for separators that are refused, so that the tests are read all the same."""


def _a(kind: FieldType, field: Field | Column) -> str:
    """`a date`, and whether it is only read so: for messages."""
    return f"{'read as ' if kind is not field.type else ''}{'an' if kind is FieldType.INTEGER else 'a'} {kind}"


def _hint(field: Field | Column) -> str:
    """What may have been meant where a text is compared like a number or a date."""
    if isinstance(field, Column) and field.type is FieldType.TEXT:
        return f"; declare its type with the data, as columns: {{{field.column}: number}}"
    return "; a custom field is compared so with a number or a date" if is_custom(field) else ""
