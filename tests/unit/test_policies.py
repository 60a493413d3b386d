"""The example policies load, agree with the simulated world, and each of their rules decides something."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from pm_autoaccept import data_sources, policy
from pm_autoaccept.decide import decide
from pm_autoaccept.model import (
    AccountInfo,
    CustomField,
    CustomFieldDefinition,
    Decision,
    Kind,
    MeterInfo,
    PendingRequest,
    PropertyInfo,
    Snapshot,
    Verdict,
)
from pm_autoaccept.policy import Table
from pm_autoaccept.simulator import story
from tests import examples
from tests.examples import ALICE, NOW

FIELD = "Utility Customer Number"


@pytest.fixture(scope="module")
def utility() -> policy.Policy:
    """The utility's policy."""
    return policy.load(data_sources.read_folder(data_sources.example_policy("utility")))


@pytest.fixture(scope="module")
def tables(utility):
    """Its tables, as they lie in its folder."""
    return data_sources.read(utility.sources, data_sources.example_policy("utility"))


def seen(*requests: PendingRequest, number: str = "0041-001-234", shared: int = 0) -> Snapshot:
    """What is seen of these requests of one connected owner who answered with this number."""
    return examples.snapshot(
        *requests,
        connected=frozenset({ALICE}),
        shared_properties={ALICE: frozenset({shared})},
        answers_at_connection={ALICE: (CustomField(FIELD, number),)},
        custom_fields=(CustomFieldDefinition(id=46, name=FIELD),),
    )


def connection(number: str | None) -> PendingRequest:
    """A connection request with this customer number."""
    return examples.connection(
        username="riverside_props",
        custom=() if number is None else (CustomField(FIELD, number),),
        account_info=AccountInfo(email="ops@riverside.example"),
    )


PROPERTY = examples.property_share(
    8120045,
    username="riverside_props",
    sender_id=ALICE,
    sender_username="riverside_props",
    access_level="Read Write",
    property_info=PropertyInfo(name="Dockside Tower", construction_status="Existing"),
)
METER = replace(
    PROPERTY,
    kind=Kind.METER,
    id=30511977,
    meter_info=MeterInfo(
        category="energy", type="Electric", name="Main electric", in_use=True, first_bill_date=date(2019, 1, 1)
    ),
)


@pytest.fixture
def answer(utility, tables):
    """What the utility decides of the last of these requests."""

    def _answer(*requests: PendingRequest, number: str = "0041-001-234", shared: int = 0) -> Decision:
        world = seen(*requests, number=number, shared=shared)
        return decide(world, policy=utility, tables=tables, now=NOW)[-1]

    return _answer


def test_the_utility_knows_the_simulated_customers(tables):
    """The billing table holds exactly the customer numbers of the simulated world; the consultants likewise."""
    accounts = tables["billing_accounts"]
    assert isinstance(accounts, Table)
    assert all(accounts.has((number,)) is True for number in set(story.KNOWN_CUSTOMER_NUMBERS))
    assert accounts.rows == len(set(story.KNOWN_CUSTOMER_NUMBERS)) == 400
    consultants = tables["consultants"]
    assert isinstance(consultants, Table)
    assert consultants.rows == len(set(story.CONSULTANTS)) == 2
    assert all(consultants.has((name,)) is True for name in story.CONSULTANTS)
    lines = (data_sources.example_policy("utility") / "data" / "billing_accounts.csv").read_text().splitlines()
    assert lines[0] == "account_number,name"
    assert [line.partition(",")[0] for line in lines[1:]] == list(story.KNOWN_CUSTOMER_NUMBERS)


@pytest.mark.parametrize(
    ("number", "verdict", "rule"),
    [
        ("0041-001-234", "accept", "known-customer"),
        (" 0041 001 234", "accept", "known-customer"),
        ("41001234", "accept", "known-customer"),
        ("0099123456", "hold", "unlisted-number"),
        ("PENDING", "reject", "malformed-number"),
        ("00411", "reject", "malformed-number"),
        ("  ", "hold", None),
        (None, "hold", None),
    ],
)
def test_connections(answer, number, verdict, rule):
    """A known number is let in however it is spelt; a malformed one is told how; an unlisted one waits."""
    decision = answer(connection(number))
    assert (decision.verdict, decision.rule) == (verdict, rule)
    assert (decision.note is None) is (verdict == "hold")


@pytest.mark.parametrize("number", story.MALFORMED_NUMBERS)
def test_malformed_numbers(answer, number):
    """Whatever the simulated customers write for a number is told apart from a number."""
    assert answer(connection(number)).rule == "malformed-number"


def test_blocked(answer):
    """Blocked usernames and domains are turned away, whatever number they bring."""
    for username in story.BLOCKED_USERNAMES:
        assert answer(replace(connection("0041001234"), username=username)).rule == "blocked-username"
        assert answer(replace(METER, username=username.upper())).verdict is Verdict.REJECT
    info = AccountInfo(email=f"a@{story.BLOCKED_EMAIL_DOMAIN}")
    assert answer(replace(connection("0041001234"), account_info=info)).rule == "blocked-domain"


@pytest.mark.parametrize(
    ("changes", "verdict", "rule"),
    [
        ({}, "accept", "building-of-a-customer"),
        ({"access_level": "Read"}, "reject", "read-only-share"),
        ({"property_info": PropertyInfo(construction_status="Test")}, "reject", "not-a-real-building"),
        ({"property_info": PropertyInfo()}, "hold", None),
        ({"sender_id": 5, "sender_username": "green_consult"}, "accept", "building-of-a-customer"),
        ({"sender_id": 5, "sender_username": "somebody"}, "hold", "unlisted-forwarder"),
        ({"sender_id": 5, "sender_username": None}, "hold", "unlisted-forwarder"),
        ({"sender_id": None, "sender_username": None}, "accept", "building-of-a-customer"),
    ],
)
def test_properties(answer, changes, verdict, rule):
    """An existing building of a known customer is let in; a read-only, a test one is told why; others wait."""
    decision = answer(replace(PROPERTY, **changes))
    assert (decision.verdict, decision.rule) == (verdict, rule)


def test_a_property_of_an_unknown_customer(answer):
    """Without a known number at connection nobody's property is let in."""
    assert answer(PROPERTY, number="0099123456").verdict is Verdict.HOLD


def test_meters(answer):
    """A customer's meter is let in, if we supply its fuel and may upload to it; plan lets its property go first."""
    assert answer(PROPERTY, METER).rule == "meter-of-a-customer"
    assert answer(METER, shared=8120045).verdict is Verdict.ACCEPT
    assert answer(PROPERTY, replace(METER, access_level="Read")).rule == "read-only-share"
    for kind in ("Municipally Supplied Potable Water - Indoor", "Disposed - Trash", "District Steam"):
        info = MeterInfo(type=kind, name="Main")
        decision = answer(PROPERTY, replace(METER, meter_info=info))
        assert decision.rule == "fuel-we-do-not-supply"
        assert f"Main ({kind})" in decision.note
    assert METER.meter_info is not None
    solar = replace(METER, meter_info=replace(METER.meter_info, type="Electric on Site Solar"))
    assert (answer(PROPERTY, solar).verdict, answer(PROPERTY, solar).rule) == (Verdict.HOLD, None)


def test_notes(answer):
    """What customers read names their own data, numbers by their last four characters only."""
    assert answer(connection("0041-001-234")).note == (
        "Welcome! We matched your customer number ending in 1234. You can now share your properties and meters with "
        "us; please choose Full Access."
    )
    assert "ending in 1234" in answer(PROPERTY).note
    assert answer(replace(PROPERTY, access_level="Read", property_info=PropertyInfo())).note.startswith(
        "Thank you for sharing your property."
    )


def test_hold_everything():
    """The smallest policy decides nothing."""
    rules = policy.load(data_sources.read_folder(data_sources.example_policy("hold-everything")))
    decisions = decide(seen(connection("1"), PROPERTY, METER), policy=rules, tables={}, now=NOW)
    assert [(each.verdict, each.rule) for each in decisions] == [(Verdict.HOLD, "everything")] * 3
    assert rules.needs == frozenset()
