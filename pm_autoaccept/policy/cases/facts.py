"""What stands after `facts:` in a case: what holds around a request, and is not carried by it."""

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
    """What is known around a request: facts, for how long it has been held (None: it is new), and what is taken.

    All else is unknown.
    """

    facts: Facts
    held_for: timedelta | None = None
    taken: Mapping[str, bool] = field(default_factory=dict)


def read_facts(node: Node | None, *, kind: Kind, now: Fact[datetime], faults: list[Fault]) -> CaseFacts:
    """What stands there; nothing of it where nothing does."""
    said, taken = CaseValues(), {}
    if isinstance(node, Entries):
        taken = {
            key: read
            for name, value in node.entries
            if name.value == TAKEN
            for key, read in read_taken(value, faults).items()
        }
        others = tuple(entry for entry in node.entries if entry[0].value != TAKEN)
        said = read_case_values(replace(node, entries=others), kind=kind, faults=faults)
        _check(said, kind, faults)
    elif node is not None and not isinstance(node, Broken):
        faults.append(node.place.fault("`facts` is a mapping of fields, as {property.share: pending}"))
    held_for = said.values.get("held_for")
    if held_for is not None and isinstance(now, NotLearnt):
        faults.append(said.places["held_for"].fault("say `now` too, as `now: 2026-03-04T12:00:00Z`"))
    share, verdict = _property(said, faults)
    connected = said.values.get("account.connected")
    of_owner = {name: value for name, value in said.values.items() if name.startswith("account.")}
    for name in ("account.connected", *DERIVED_FIELDS):
        of_owner.pop(name, None)
    facts = Facts(
        now=now,
        held=None,
        connected=connected if isinstance(connected, bool) else _UNSAID,
        account=account_info(of_owner) if of_owner else _UNSAID,
        defined=frozenset(answer.name for answers in said.custom.values() for answer in answers),
        connection_custom=said.custom.get("connection.custom.", _UNSAID),
        property_custom=said.custom.get("property.custom.", _UNSAID),
        property_share=share,
        property_verdict=verdict,
    )
    return CaseFacts(facts, held_for if isinstance(held_for, timedelta) else None, taken)


def _check(said: CaseValues, kind: Kind, faults: list[Fault]) -> None:
    for name, place in said.places.items():
        if name in DERIVED_FIELDS:
            faults.append(place.fault(f"`{name}` follows from {DERIVED_FIELDS[name]}; say that"))
        elif not is_fact(name, kind):
            facts = listed(
                f"`{each}NAME`" if each.endswith(".") else f"`{each}`" for each in (*FACT_FIELDS, TAKEN, "account.")
            )
            faults.append(place.fault(f"`{name}` stands under `request:`; facts are {facts} (of shares)"))


def _property(said: CaseValues, faults: list[Fault]) -> tuple[Fact[PropertyShare], Fact[Verdict | None]]:
    """How the meter's property stands: what has a verdict, or came with a share, is pending; what is not, has none."""
    written, verdict = said.values.get("property.share"), said.values.get("property.verdict")
    pending = verdict is not None or "property.custom." in said.custom
    share = PropertyShare(written) if isinstance(written, str) else PropertyShare.PENDING if pending else None
    if pending and share is not PropertyShare.PENDING:
        message = f"the property is {share}, so no share of it is pending that has a verdict or fields"
        faults.append(said.places["property.share"].fault(message))
    if isinstance(verdict, str):
        return PropertyShare.PENDING, Verdict(verdict)
    return share or _UNSAID, None if share in {PropertyShare.NONE, PropertyShare.SHARED} else _UNSAID
