"""What stands after an operator: values of the type that the field has, texts, patterns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import re2

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.cleaning import Cleaning, cleaned, fold
from pm_autoaccept.policy.conditions import Column
from pm_autoaccept.policy.fields import Field
from pm_autoaccept.policy.messages import perhaps, some
from pm_autoaccept.policy.number_texts import garbling, with_points
from pm_autoaccept.policy.operators import Operator, Takes
from pm_autoaccept.policy.parser.source_text import Entries, Items, Place, Text
from pm_autoaccept.policy.values import FieldType, NotAValue, read_value


@dataclass(frozen=True, slots=True)
class LiteralReader:
    """Reads literals. What is wrong is added to `faults`."""

    faults: list[Fault]

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def texts(self, operator: Operator, node: Text | Items | Entries) -> tuple[Text, ...]:
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

    def literal(
        self, field: Field | Column, operator: Operator, text: Text, *, kind: FieldType, clean: Iterable[Cleaning]
    ) -> Any | None:  # noqa: ANN401 - a value or a compiled pattern
        """What the text stands for, where the field's value is of this kind; None where it stands for nothing."""
        if operator.takes is Takes.PATTERN:
            return self._pattern(text, ignore_case=field.lower_case)
        if operator.takes is Takes.YES_OR_NO:
            kind = FieldType.BOOLEAN
        elif operator.takes is Takes.TEXTS:
            kind = FieldType.TEXT
        try:
            literal = read_value(text.value, kind, field.members)
        except NotAValue as error:
            self._refuse(text.place, f"`{field.name}`: {error}")
            return None
        cleanings = tuple(clean)
        if isinstance(literal, str):
            if garbling(cleanings)(literal):
                why = f"`{text.value}` is a number with a decimal part or an exponent, which `clean` would drop"
                self._refuse(
                    text.place, f"{why}; write it without, or, if it really has a point, `{with_points(cleanings)}`"
                )
                return None
            literal = cleaned(literal.casefold() if field.lower_case else literal, cleanings)
            if not literal:
                self._refuse(text.place, f"`{text.value}` is blank after cleaning and would match nothing")
                return None
        if (
            isinstance(field, Field)
            and kind in {field.type, FieldType.TEXT}
            and _is_never(field, operator, literal, cleanings)
        ):
            self._refuse(text.place, _never(field, operator, text.value))
            return None
        return literal

    def _pattern(self, text: Text, *, ignore_case: bool) -> Any | None:  # noqa: ANN401 - google-re2 ships no types
        if fold(text.value) != text.value:
            rule = "values are compared without outer blanks, in NFKC, with hyphens for all dashes"
            self._refuse(text.place, f"{rule}; write the pattern so too: {fold(text.value)}")
            return None
        options = re2.Options()
        options.log_errors = False
        options.case_sensitive = not ignore_case
        try:
            return re2.compile(text.value, options)
        except re2.error as error:
            why = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
            self._refuse(text.place, f"RE2 refuses this pattern: {why}")
            return None


def _is_never(field: Field, operator: Operator, literal: Any, clean: tuple[Cleaning, ...]) -> bool:  # noqa: ANN401 - a value
    """Whether no value of the field can be what stands after the operator; whole choices are members already."""
    if field.members:
        return operator.takes is Takes.TEXTS and not any(operator.holds(member, literal) for member in field.members)
    return field.form is not None and field.form.is_never(operator, literal, clean)


_VERBS = {
    "starts_with": "never starts with",
    "ends_with": "never ends with",
    "contains": "never contains",
    "equals": "is never",
    "in": "is never",
}


def _never(field: Field, operator: Operator, written: str) -> str:
    """Why the literal tests nothing."""
    says = f"one of {some(field.members)}" if field.form is None else field.form.says
    verb = _VERBS.get(operator.name)
    if verb is None:
        return f"`{written}` is out of range: `{field.name}` is {says}, so the test says nothing"
    meant = perhaps(written, field.members)
    return f"`{field.name}` {verb} `{written}`{meant}: it is {says}, so the test says nothing"
