"""Policies written in a line or two, and requests to ask them about."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from pm_autoaccept import policy
from pm_autoaccept.errors import Fault, PolicyRefused
from pm_autoaccept.model import (
    AccountInfo,
    Address,
    CustomField,
    Facts,
    Kind,
    MeterInfo,
    PendingRequest,
    PropertyInfo,
    PropertyShare,
    ReasonKind,
    Verdict,
)
from pm_autoaccept.policy import Judgement, Policy
from tests.editor import complaints


@pytest.fixture
def now() -> datetime:
    """The time of every decision."""
    return datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def facts(now: datetime) -> Facts:
    """Everything about a meter's surroundings, learnt."""
    return Facts(
        now=now,
        connected=True,
        account=AccountInfo(
            first_name="Ines",
            last_name="Okafor",
            email="ops@riverside.example",
            phone="503-555-0142",
            job_title="Engineer",
            address=Address(line1="77 Dock Road", city="Portland", state="OR", postal_code="97205", country="US"),
        ),
        defined=frozenset({"Utility Customer Number", "Parcel", "Key"}),
        connection_custom=(CustomField("Utility Customer Number", "0041-001-234"),),
        property_custom=(CustomField("Parcel", "R-2201-7"),),
        property_share=PropertyShare.SHARED,
        property_verdict=None,
    )


@pytest.fixture
def connection() -> PendingRequest:
    """A connection request as EPA's own example has it."""
    return PendingRequest(
        kind=Kind.CONNECTION,
        id=410221,
        account_id=410221,
        username="riverside_props",
        sender_id=410221,
        sender_username="riverside_props",
        custom=(CustomField("Utility Customer Number", " 00-998–17 "),),  # noqa: RUF001 - dashes as people paste them
        account_info=AccountInfo(
            first_name="Ines",
            last_name="Okafor",
            email="ops@Riverside.example",
            phone="503-555-0142",
            job_title="Engineer",
            organization="Riverside Properties LLC",
            address=Address(line1="77 Dock Road", city="Portland", state="OR", postal_code="97205", country="US"),
        ),
    )


@pytest.fixture
def meter() -> PendingRequest:
    """A meter share, forwarded by a consultant."""
    return PendingRequest(
        kind=Kind.METER,
        id=30511977,
        account_id=410221,
        username="riverside_props",
        sender_id=395500,
        sender_username="green_consult",
        access_level="Read Write",
        property_id=8120045,
        property_info=PropertyInfo(
            name="Dockside Tower",
            primary_function="Office",
            construction_status="Existing",
            gross_floor_area=Decimal(120500),
            year_built=1998,
            number_of_buildings=1,
            occupancy=95,
            is_federal=False,
            address=Address(line1="80 Dock Road", city="Portland", state="OR", postal_code="97205", country="US"),
        ),
        meter_info=MeterInfo(
            category="energy",
            name="Main electric",
            type="Electric",
            unit="kWh (thousand Watt-hours)",
            metered=True,
            in_use=True,
            first_bill_date=date(2015, 1, 1),
        ),
    )


@pytest.fixture
def load() -> Callable[..., Policy]:
    """A policy from the text of one file; `version: 1` is put before it."""

    def _load(text: str, **more: str) -> Policy:
        files = {"policy.yaml": f"version: 1\n{textwrap.dedent(text)}".encode()}
        files |= {f"{name}.yaml": textwrap.dedent(other).encode() for name, other in more.items()}
        loaded = policy.load(files)
        # What the loader accepts, the editor schema accepts.
        assert [each for data in files.values() for each in complaints(data, quoted=False)] == []
        return loaded

    return _load


@pytest.fixture
def refused(load: Callable[..., Policy]) -> Callable[..., tuple[Fault, ...]]:
    """The faults of a policy that must have some."""

    def _refused(text: str, **more: str) -> tuple[Fault, ...]:
        with pytest.raises(PolicyRefused) as caught:
            load(text, **more)
        return caught.value.faults

    return _refused


@pytest.fixture
def rule(load: Callable[..., Policy]) -> Callable[..., Policy]:
    """A policy of one rule that holds, with these conditions (one line of YAML) on these kinds."""

    def _rule(when: str, *, on: str = "meter", then: str = "hold", more: str = "", data: str = "") -> Policy:
        return load(f"{data}\nrules:\n- {{id: asked, on: {on}, when: {when}, then: {then}{more}}}\n")

    return _rule


@pytest.fixture
def ask(rule: Callable[..., Policy], facts: Facts) -> Callable[..., str]:
    """How a condition comes out for a request: `true`, `false` or `unknown`."""

    def _ask(when: str, request: PendingRequest, *, given: Facts = facts, data: str = "", tables: object = None) -> str:
        made = rule(when, on=request.kind, then="reject", data=data)
        judgement: Judgement = made.judge(request, given, tables or {})
        assert (judgement.verdict is Verdict.REJECT) is (judgement.reason.kind is ReasonKind.RULE)
        return {"rule": "true", "default": "false", "unknown": "unknown"}[judgement.reason.kind]

    return _ask
