"""Names of fields as a rule writes them: each must be a field that every kind of request has which the rule is on."""

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
    """Reads the names of fields in one rule.

    Attributes:
        kinds: the kinds of request that the rule is on.
        faults: what is wrong is added here.
        private: the custom fields that are never shown.
    """

    kinds: frozenset[Kind]
    faults: list[Fault]
    private: frozenset[str] = frozenset()

    def field(self, key: Text) -> Field | None:
        """The field of this name; None, and a fault, where these requests have none."""
        name = key.value
        field = field_named(name)
        if field is None and name in OPERATORS:
            instead = f"write the field before it, as `field: {{{name}: …}}`"
            self.faults.append(key.place.fault(f"`{name}` is an operator; {instead}"))
        elif field is None:
            meant = perhaps(name, (*FIELDS, *CUSTOM, *GROUPS), synonyms.CONDITION)
            names = "`account.username`, `meter.type`, `custom.NAME`"
            self.faults.append(key.place.fault(f"there is no field `{name}`{meant}; fields are named as in {names}"))
        elif lacking := sorted(self.kinds - field.kinds):
            where = f"it stands on {listed(sorted(field.kinds))} requests only: make a rule of its own for those"
            self.faults.append(key.place.fault(f"a {lacking[0]} request never has `{name}`; {where}"))
        return field and with_privacy(field, self.private)
