"""Parse `facts` in a test case: what is known about a request beyond its own document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Fact, Facts, Kind, NotLearnt, PropertyShare, Verdict
from pm_autoaccept.policy.cases.case import NOT_STATED
from pm_autoaccept.policy.cases.requests import DERIVED_FIELDS, FACT_FIELDS, account_info, is_fact
from pm_autoaccept.policy.cases.taken import TAKEN, read_taken
from pm_autoaccept.policy.cases.values import CaseValues, read_case_values
from pm_autoaccept.policy.messages import listed
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Node

_UNSAID = NotLearnt(NOT_STATED)


@dataclass(frozen=True, slots=True)
class CaseFacts:
    """The facts of a case, how long the request has been held (None: it is new), and what is taken.

    Everything else is unknown.
    """

    facts: Facts
    held_for: timedelta | None = None
    taken: Mapping[str, bool] = field(default_factory=dict)


def read_facts(node: Node | None, *, kind: Kind, now: Fact[datetime], faults: list[Fault]) -> CaseFacts:
    """Parse `facts`; without them, everything is unknown."""
    stated, taken = CaseValues(), {}
    if isinstance(node, Entries):
        taken = {
            key: read
            for name, value in node.entries
            if name.value == TAKEN
            for key, read in read_taken(value, faults).items()
        }
        others = tuple(entry for entry in node.entries if entry[0].value != TAKEN)
        stated = read_case_values(replace(node, entries=others), kind=kind, faults=faults)
        _check(stated, kind, faults)
    elif node is not None and not isinstance(node, Broken):
        faults.append(node.place.fault("`facts` must be a mapping of fields, for example {property.share: pending}"))
    held_for = stated.values.get("held_for")
    if held_for is not None and isinstance(now, NotLearnt):
        faults.append(
            stated.places["held_for"].fault("`held_for` needs `now` too, for example `now: 2026-03-04T12:00:00Z`")
        )
    share, verdict = _property(stated, faults)
    connected = stated.values.get("account.connected")
    of_owner = {name: value for name, value in stated.values.items() if name.startswith("account.")}
    for name in ("account.connected", *DERIVED_FIELDS):
        of_owner.pop(name, None)
    facts = Facts(
        now=now,
        held=None,
        connected=connected if isinstance(connected, bool) else _UNSAID,
        account=account_info(of_owner) if of_owner else _UNSAID,
        defined=frozenset(answer.name for answers in stated.custom.values() for answer in answers),
        connection_custom=stated.custom.get("connection.custom.", _UNSAID),
        property_custom=stated.custom.get("property.custom.", _UNSAID),
        property_share=share,
        property_verdict=verdict,
    )
    return CaseFacts(facts, held_for if isinstance(held_for, timedelta) else None, taken)


def _check(stated: CaseValues, kind: Kind, faults: list[Fault]) -> None:
    for name, place in stated.places.items():
        if name in DERIVED_FIELDS:
            faults.append(place.fault(f"`{name}` is derived; give {DERIVED_FIELDS[name]} instead"))
        elif not is_fact(name, kind):
            facts = listed(
                f"`{each}NAME`" if each.endswith(".") else f"`{each}`" for each in (*FACT_FIELDS, TAKEN, "account.")
            )
            faults.append(place.fault(f"`{name}` belongs under `request:`; facts are {facts} (for shares)"))


def _property(stated: CaseValues, faults: list[Fault]) -> tuple[Fact[PropertyShare], Fact[Verdict | None]]:
    """The share and verdict of the meter's property: only a pending share has a verdict and custom fields."""
    written, verdict = stated.values.get("property.share"), stated.values.get("property.verdict")
    pending = verdict is not None or "property.custom." in stated.custom
    share = PropertyShare(written) if isinstance(written, str) else PropertyShare.PENDING if pending else None
    if pending and share is not PropertyShare.PENDING:
        message = f"the property share is {share}: only a pending one has a verdict or custom fields"
        faults.append(stated.places["property.share"].fault(message))
    if isinstance(verdict, str):
        return PropertyShare.PENDING, Verdict(verdict)
    return share or _UNSAID, None if share in {PropertyShare.NONE, PropertyShare.SHARED} else _UNSAID
