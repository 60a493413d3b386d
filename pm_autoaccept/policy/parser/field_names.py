"""Parse field names in a rule: unknown fields, and fields that a kind of request in `on` never has, are errors."""

from __future__ import annotations

from dataclasses import dataclass

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Kind
from pm_autoaccept.policy import synonyms
from pm_autoaccept.policy.fields import CUSTOM, FIELDS, Field, field_named
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.operators import OPERATORS
from pm_autoaccept.policy.parser.source_text import Text
from pm_autoaccept.policy.private import with_privacy

GROUPS = ("all", "any", "not")


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Parses the field names of one rule.

    Attributes:
        kinds: the kinds of request that the rule applies to.
        faults: errors are added here.
        private: the custom fields that are never shown.
    """

    kinds: frozenset[Kind]
    faults: list[Fault]
    private: frozenset[str] = frozenset()

    def field(self, key: Text) -> Field | None:
        """The field with this name; None and a fault if it is unknown."""
        name = key.value
        field = field_named(name)
        if field is None and name in OPERATORS:
            instead = f"write a field before it, for example `account.username: {{{name}: …}}`"
            self.faults.append(key.place.fault(f"expected a field, but `{name}` is an operator; {instead}"))
        elif field is None:
            meant = perhaps(name, (*FIELDS, *CUSTOM, *GROUPS), synonyms.CONDITION)
            names = "`account.username`, `meter.type` or `custom.NAME`"
            self.faults.append(key.place.fault(f"unknown field `{name}`{meant}; use a field, for example {names}"))
        elif lacking := sorted(self.kinds - field.kinds):
            where = f"only {listed(sorted(field.kinds), 'and')} requests have it: use a separate rule for those"
            self.faults.append(key.place.fault(f"a {lacking[0]} request never has `{name}`; {where}"))
        return field and with_privacy(field, self.private)
