"""`pending --recorded`: another policy is asked about every request in the ledger, as of the time of its decision."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from pm_autoaccept.ledger import SqlLedger, recorded_requests
from pm_autoaccept.ledger.recorded_requests import read_recorded_requests, recorded_field_names
from pm_autoaccept.ledger.retention import mask
from pm_autoaccept.model import (
    Action,
    Held,
    Kind,
    Mode,
    Outcome,
    ProviderAccount,
    Reason,
    ReasonKind,
    Receipt,
    Step,
    Verdict,
)
from pm_autoaccept.parse import parse_pending_page
from pm_autoaccept.policy import load
from pm_autoaccept.what_if import judge_recorded
from tests.examples import ALICE, BOB, NOW, decided, snapshot

HOUR = timedelta(hours=1)
PRIVATE = frozenset({"share key"})


def pending(kind, body):
    """The one request of this kind, as it stands in a list."""
    (request,) = parse_pending_page(kind, f"<pendingList>{body}</pendingList>".encode()).requests
    return request


def answers(number, key="k-1"):
    """The custom fields of a request."""
    fields = {"Customer Number": number, "Share Key": key}
    each = "".join(f'<customField name="{name}">{value}</customField>' for name, value in fields.items() if value)
    return f"<customFieldList>{each}</customFieldList>"


def asks(owner, number, state="OR"):
    """A connection request."""
    who = f'<accountInfo><address address1="1" city="x" state="{state}" postalCode="1"/></accountInfo>'
    name = f"<accountId>{owner}</accountId><username>owner_{owner}</username>"
    return pending(Kind.CONNECTION, f"<account>{name}{who}{answers(number)}</account>")


def shares(number, owner, level="Read Write"):
    """A property share."""
    ids = f"<propertyId>{number}</propertyId><accountId>{owner}</accountId><accessLevel>{level}</accessLevel>"
    return pending(Kind.PROPERTY, f"<property>{ids}{answers('', '')}</property>")


def measures(number, of, owner):
    """A meter share."""
    ids = f"<meterId>{number}</meterId><propertyId>{of}</propertyId><accountId>{owner}</accountId>"
    return pending(Kind.METER, f"<meter>{ids}<accessLevel>Read Write</accessLevel></meter>")


async def record(ledger, *requests, hours, verdict=Verdict.HOLD, reason=ReasonKind.RULE, **said):
    """See and decide these requests so many hours from the beginning, all alike."""
    at = NOW + hours * HOUR
    seen = snapshot(*requests)
    lists = {"connections": seen.connections, "properties": seen.properties, "meters": seen.meters}
    seen = replace(seen, **{name: replace(each, begun=at, ended=at) for name, each in lists.items()})
    await ledger.record_snapshot(seen, at=at, **said)
    decisions = [replace(decided(each, verdict), reason=Reason(reason, "so it was")) for each in requests]
    await ledger.record_decisions(decisions, [], mode=Mode.ENFORCE, at=at)
    return decisions


@pytest.fixture
async def ledger(tmp_path):
    """A ledger in a file, to be filled."""
    made = await SqlLedger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    await made.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(1, "us"), at=NOW)
    yield made
    await made.close()


async def judged(ledger, *rules, top=""):
    """Request → what a policy of these rules says of it."""
    text = "".join(f"  - {rule}\n" for rule in rules)
    policy = load({"policy.yaml": f"version: 1\n{top}\nrules:\n{text}".encode()})

    def judge(connection):
        defined, batches = recorded_field_names(connection), read_recorded_requests(connection)
        return list(judge_recorded(batches, defined=defined, policy=policy, tables={}))

    return {str(each.recorded.key): each for each in await ledger.database.read(judge)}


def brief(found):
    """Request → verdict and rule, or what was unknown."""
    return {
        key: (str(each.verdict), each.not_judged_reason or each.judgement.unknown or each.judgement.rule)
        for key, each in found.items()
    }


KNOWN = "{id: known, on: connection, when: {custom.Customer Number: '1', account.address.state: OR}, then: accept}"
OF_KNOWN = "{id: of-known, on: [property, meter], when: {connection.custom.Customer Number: '1'}, then: accept}"


async def test_what_stood_in_the_document_is_asked_again(ledger):
    """All that a request carries itself, and of its owner what the connection request carried."""
    await record(ledger, asks(ALICE, "1"), asks(BOB, "2"), shares(11, ALICE), measures(21, 11, ALICE), hours=0)
    assert brief(await judged(ledger, KNOWN, OF_KNOWN)) == {
        f"connection:{ALICE}": ("accept", "known"),
        f"connection:{BOB}": ("hold", None),
        "property:11": ("accept", "of-known"),
        "meter:21": ("accept", "of-known"),
    }


async def test_what_the_ledger_does_not_have_is_not_learnt(ledger):
    """Who the owner is whose connection was never seen; how a property stood that was never seen; who else said it."""
    await record(ledger, shares(11, ALICE), measures(21, 12, BOB), asks(BOB, "2"), hours=0)
    stands = "{id: shared, on: meter, when: {property.share: shared}, then: reject}"
    taken = "{id: taken, on: connection, when: {custom.Customer Number: {taken: true}}, then: hold}"
    strange = "{id: strange, on: connection, when: {custom.Parcel: x}, then: hold}"
    found = brief(await judged(ledger, stands, taken, OF_KNOWN))
    assert found["property:11"] == ("hold", ("connection.custom.Customer Number",))
    assert found["meter:21"] == ("hold", ("property.share",))
    assert found[f"connection:{BOB}"] == ("hold", ("custom.Customer Number",))
    assert brief(await judged(ledger, strange))[f"connection:{BOB}"] == ("hold", ("custom.Parcel",))


async def test_it_is_judged_as_of_the_time_of_its_decision(ledger):
    """`until` and `held_for` are what they were then, and the rule that held it is remembered."""
    await record(ledger, asks(ALICE, "1"), hours=0)
    await record(ledger, asks(ALICE, "1"), hours=48, reason=ReasonKind.UNKNOWN)
    that_day = "{id: that-day, on: connection, when: {held_for: {at_least: 2d}}, then: reject, until: 2026-03-06}"
    assert brief(await judged(ledger, that_day))[f"connection:{ALICE}"] == ("reject", "that-day")
    (batch,) = await ledger.database.read(lambda connection: list(read_recorded_requests(connection)))
    assert batch.requests[0].held == Held("a-rule", NOW)


async def test_a_meter_asks_about_its_property_as_it_then_stood(ledger):
    """Pending: by the verdict of the same policy; accepted before: shared."""
    property_, meter = shares(11, ALICE), measures(21, 11, ALICE)
    (decision,) = await record(ledger, property_, hours=0, verdict=Verdict.ACCEPT)
    await record(ledger, property_, meter, hours=1, verdict=Verdict.ACCEPT)
    rules = (
        "{id: no, on: property, when: {access_level: Read Write}, then: reject}",
        "{id: falls, on: meter, when: {property.share: pending, property.verdict: reject}, then: reject}",
        "{id: shared, on: meter, when: {property.share: shared}, then: accept}",
    )
    assert brief(await judged(ledger, *rules))["meter:21"] == ("reject", "falls")
    step = Step(decision=decision, action=Action.ACCEPT)
    number = await ledger.record_intent(step, at=NOW + 2 * HOUR)
    await ledger.record_outcome(number, Receipt(step=step, outcome=Outcome.DONE), at=NOW + 2 * HOUR)
    stands = snapshot(meter, connected=frozenset({ALICE}), shared_properties={ALICE: frozenset({11})})
    await ledger.reconcile(stands, at=NOW + 2 * HOUR)
    await record(ledger, meter, hours=3)
    assert brief(await judged(ledger, *rules))["meter:21"] == ("accept", "shared")
    connected = "{id: yes, on: meter, when: {account.connected: true}, then: accept}"
    assert brief(await judged(ledger, connected))["meter:21"] == ("accept", "yes")
    of_a_property = "{id: yes, on: property, when: {account.connected: true}, then: accept}"
    assert brief(await judged(ledger, of_a_property))["property:11"] == ("hold", ("account.connected",))


async def test_what_was_private_is_not_known_where_it_is_asked(ledger):
    """A digest is no value; the other fields of the same request are known."""
    await record(ledger, asks(ALICE, "1"), shares(11, ALICE), hours=0, private=PRIVATE)
    keyed = "{id: keyed, on: connection, when: {custom.Share Key: k-1}, then: accept}"
    of_keyed = "{id: of-keyed, on: property, when: {connection.custom.Share Key: k-1}, then: accept}"
    found = brief(await judged(ledger, keyed, of_keyed))
    assert found[f"connection:{ALICE}"] == ("hold", ("custom.Share Key",))
    assert found["property:11"] == ("hold", ("connection.custom.Share Key",))
    found = brief(await judged(ledger, KNOWN, OF_KNOWN))
    assert found[f"connection:{ALICE}"] == ("accept", "known")
    assert found["property:11"] == ("accept", "of-known")


async def test_what_no_policy_could_decide_stays_as_it_was(ledger):
    """Masked requests, and those that were in doubt for what stood around them."""
    await record(ledger, asks(ALICE, "1"), hours=0)
    await mask(ledger.database, before=NOW + HOUR)
    await record(ledger, asks(BOB, "1"), hours=2, reason=ReasonKind.LIST_NOT_WHOLE)
    assert brief(await judged(ledger, KNOWN)) == {
        f"connection:{ALICE}": ("hold", "its content is masked"),
        f"connection:{BOB}": ("hold", "it was held whatever the policy; see its recorded reason"),
    }


async def test_what_has_a_forbidden_character_is_asked_of_no_policy(ledger):
    """Its bytes say so; what others rely on of it is not known."""
    spoilt = asks(ALICE, "1\ufdd0")
    await record(ledger, spoilt, shares(11, ALICE), hours=0)
    found = brief(await judged(ledger, KNOWN, OF_KNOWN))
    assert found == {
        f"connection:{ALICE}": (
            "hold",
            "it contains a character that XML forbids, in account/customFieldList/customField",
        ),
        "property:11": ("hold", ("connection.custom.Customer Number",)),
    }
    by_state = "{id: state, on: property, when: {account.address.state: OR}, then: accept}"
    assert brief(await judged(ledger, by_state))["property:11"] == ("hold", ("account.address.state",))


async def test_the_size_of_a_batch_changes_no_judgement(ledger, monkeypatch):
    """What a batch needs to know about owners and properties comes with it, wherever it is cut."""
    owners = range(1, 8)
    asked = [asks(owner, "1") for owner in owners]
    shared = [each for owner in owners for each in (shares(10 + owner, owner), measures(20 + owner, 10 + owner, owner))]
    await record(ledger, *asked, *shared, hours=0)
    rules = (KNOWN, OF_KNOWN, "{id: falls, on: meter, when: {property.verdict: accept}, then: reject}")
    whole = await judged(ledger, *rules)
    assert len(whole) == 21
    monkeypatch.setattr(recorded_requests, "REQUESTS_PER_BATCH", 2)
    batches = await ledger.database.read(lambda connection: list(read_recorded_requests(connection)))
    assert [len(batch.requests) for batch in batches] == [2, 2, 2, 1] * 3
    assert await judged(ledger, *rules) == whole


async def test_the_memory_it_needs_does_not_grow_with_the_ledger(ledger, monkeypatch):
    """Ten times as many requests, and hardly more memory."""
    for name in ("REQUESTS_PER_BATCH", "ROWS_PER_FETCH"):
        monkeypatch.setattr(recorded_requests, name, 20)
    policy = load({"policy.yaml": f"version: 1\nrules:\n  - {KNOWN}\n".encode()})

    def judge(connection):
        tracemalloc.start()
        batches = read_recorded_requests(connection)
        count = sum(1 for _ in judge_recorded(batches, defined={}, policy=policy, tables={}))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return count, peak

    await record(ledger, *(asks(owner, "1") for owner in range(1, 61)), hours=0)
    await ledger.database.read(judge)  # fills the caches
    _, few = await ledger.database.read(judge)
    await record(ledger, *(asks(owner, "1") for owner in range(1, 601)), hours=1)
    count, many = await ledger.database.read(judge)
    assert count == 600
    assert many < 2 * few


@pytest.fixture
def recorded(tmp_path):
    """What `pending --recorded` prints, by a policy that lets in whom another held."""
    address = f"sqlite:///{tmp_path / 'some.db'}"

    async def fill():
        made = await SqlLedger.open(address)
        await made.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(1, "us"), at=NOW)
        await record(made, asks(ALICE, "1"), asks(BOB, "2"), shares(11, 7), hours=0)
        await made.close()

    asyncio.run(fill())
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "policy.yaml").write_text(f"version: 1\nrules:\n  - {KNOWN}\n  - {OF_KNOWN}\n")

    def _recorded(output):
        asked = ["pending", "--recorded", "--policy", str(folder), "--ledger", address, "--output", output]
        result = CliRunner().invoke(cli, asked, standalone_mode=False)
        assert result.return_value == 0, result.exception
        return result.stdout

    return _recorded


def test_people_read_the_changes_and_each_request_that_changes(recorded):
    """How many from which verdict to which, then who, by which rule and why; and what was not known any more."""
    said = recorded("text")
    lines = [line.split() for line in said.splitlines()]
    assert ["hold", "accept", "1"] in lines
    assert ["2026-03-04", "12:00:00", "UTC", f"connection:{ALICE}", f"owner_{ALICE}", "hold", "accept", "known"] in [
        line[:8] for line in lines
    ]
    assert "3 requests in the ledger: " in said
    assert " would decide 1 of them differently." in said
    assert "1 would be held because connection.custom.Customer Number is unknown." in said


def test_people_are_told_what_is_not_looked_at_where_the_policy_asks_for_it(recorded, tmp_path):
    """`taken` and guards: what they would have said then nobody knows now."""
    assert "taken" not in recorded("text")
    (tmp_path / "policy" / "more.yaml").write_text(
        "version: 1\n"
        "data: {some: {lines: some.txt, require: {rows: 9}}, more: {values: ['1']}}\n"
        "rules: [{id: t, on: connection, when: {custom.Customer Number: {taken: true}}, then: hold}]\n"
    )
    said = " ".join(recorded("text").split())
    assert "`taken` was not evaluated: other owners' answers are not looked up in the ledger." in said
    assert "Guards (`require`) were not checked for these data sources: some." in said


def test_machines_get_every_request(recorded):
    """Also those that stay as they were, each with both decisions."""
    said = json.loads(recorded("json"))
    assert said["changes"] == [{"was": "hold", "would_be": "accept", "requests": 1}]
    assert said["not_learnt"] == {"connection.custom.Customer Number": 1}
    assert [(each["request"], each["changed"]) for each in said["requests"]] == [
        (f"connection:{ALICE}", True),
        (f"connection:{BOB}", False),
        ("property:11", False),
    ]
    assert said["requests"][0]["was"] == {"verdict": "hold", "rule": "a-rule", "reason": "rule"}
    assert said["requests"][0]["would_be"]["rule"] == "known"
