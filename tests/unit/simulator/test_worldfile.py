"""Worlds from a file."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.model import CustomField, Kind, RequestKey
from pm_autoaccept.simulator import Access, Inferred, State, load_world

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
GUIDE = Path(__file__).parents[3] / "docs" / "simulator.md"


def example() -> bytes:
    """The example world of the guide."""
    return GUIDE.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0].encode()


def test_example_of_the_guide() -> None:
    """The example in docs/simulator.md makes the world that it describes."""
    world = load_world(example(), now=NOW)
    assert (world.provider.username, world.provider.password) == ("prairie_power", "Simulated-Meter-42")
    assert [each.when_to_prompt for each in world.custom_fields] == ["Once", "Property", "Meter"]
    assert world.pending() == {Kind.CONNECTION: 1, Kind.PROPERTY: 1, Kind.METER: 2}
    connection = world.ties[RequestKey(Kind.CONNECTION, 410221)]
    assert connection.asked_at == datetime(2026, 3, 1, 14, 12, 7, tzinfo=UTC)
    assert world.accounts[410221].password == "Dockside-1"
    home = world.ties[RequestKey(Kind.PROPERTY, 8120045)]
    assert (home.access, world.account(home.sender).username) == (Access.READ_WRITE, "green_consult")
    assert home.asked_at == NOW - timedelta(days=1)
    assert world.answers[connection.key] == (CustomField("Utility Customer Number", "00-998-17"),)
    waste = next(meter for meter in world.meters.values() if meter.category == "waste")
    assert world.ties[RequestKey(Kind.METER, waste.id)].access is Access.READ
    assert world.inferred == Inferred(page_size=10, lag=90)
    assert next(iter(world.having(Kind.CONNECTION, State.ACTIVE))).key.id not in {410221, 87267}


def test_scalars_keep_their_text() -> None:
    """A number with leading zeros, NO and a date stay what was written."""
    text = b"customers: [{username: a, custom: {Utility Customer Number: 0012}}, {username: NO, last_name: 2026-01-01}]"
    world = load_world(text, now=NOW)
    assert [value.value for values in world.answers.values() for value in values] == ["0012"]
    assert [(each.username, each.info.last_name) for each in world.accounts.values()][1] == ("NO", "2026-01-01")


def test_a_world_sets_every_switch() -> None:
    """What is switched in tests is switched in a file, by the same names and with the same values."""
    said = Inferred(
        **{each.name: not each.default for each in fields(Inferred) if isinstance(each.default, bool)},
        unknown_pending_id="forbidden",
        not_connected="not_found",
        not_shared="not_found",
        order="by_id",
        page_size=3,
        lag=90,
        page_beyond_the_end="not_found",
        page_below_one="not_found",
        retry_after=5,
        unauthorised_body="xml",
    )
    written = ", ".join(f"{name}: {str(value).lower()}" for name, value in asdict(said).items())
    assert load_world(f"switches: {{{written}}}".encode(), now=NOW).inferred == said
    assert load_world(b"customers: []", now=NOW).inferred == Inferred()


def test_ids_that_are_said_are_not_given_again() -> None:
    """Ids that the file leaves out never collide with those that it says."""
    home = "{name: A, meters: [{name: m}, {name: n, id: 30511001}]}"
    world = load_world(
        f"customers: [{{username: a, properties: [{home}, {{name: B}}]}}]".encode(), now=NOW + timedelta(1)
    )
    assert len(world.meters) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "empty"),
        (b"[]", "line 1: the file must be a mapping"),
        (b"a: [", "not valid YAML"),
        (b"\xff\xfe\x00", "not valid YAML"),
        (b"[" * 5000, "nested too deeply"),
        (b"customers: &a []\nx: *a", "anchors, aliases and tags"),
        (b"customers: !!set {}", "anchors, aliases and tags"),
        (b"customer: []", "line 1: unknown key customer in the file; did you mean customers?"),
        (b"customers: {}", "customers: must be a list"),
        (b"customers: [x]", r"customers\[0\] must be a mapping"),
        (b"customers:\n- {id: 1}", "line 2: username: is missing"),
        (b"customers: [{username: [a]}]", "username: must be a single value"),
        (b"customers: [{username: a, username: b}]", "duplicate key username"),
        (b"customers: [{username: a}, {username: a}]", "duplicate username a;"),
        (b"customers: [{username: a, id: 5}, {username: b, id: 5}]", "duplicate id 5"),
        (b"customers: [{username: a, id: x}]", "id: must be a whole number"),
        (b"customers: [{username: a, password: short}]", "must have at least 8 characters"),
        (b"customers: [{username: a, connection: maybe}]", "must be one of none, pending"),
        (b"customers: [{username: a, asked_at: yesterday}]", "must be a time, for example"),
        (b"customers: [{username: a, asked_at: 2026-01-01T00:00:00}]", "has no time zone"),
        (b"customers: [{username: a, conection: active}]", "did you mean connection"),
        (b"customers: [{username: a, custom: {Account: 1}}]", "unknown custom field Account"),
        (b"customers: [{username: a, address: {city: X}}]", "line1: is missing"),
        (b"customers: [{username: a, properties: [{}]}]", "name: is missing"),
        (b"customers: [{username: a, properties: [{name: P, sender: zz}]}]", "unknown customer zz"),
        (b"customers: [{username: a, properties: [{name: P, access: READ}]}]", "must be one of Read, Read Write"),
        (b"customers: [{username: a, properties: [{name: P, occupancy: '7'}]}]", "multiple of 5"),
        (b"customers: [{username: a, properties: [{name: P, is_federal: 'yes'}]}]", "must be true or false"),
        (
            b"customers: [{username: a, properties: [{name: P, meters: [{name: m, first_bill_date: x}]}]}]",
            "a date, for example",
        ),
        (b"provider: {supported_meter_types: [[a]]}", "a list of single values"),
        (b"provider: {username: ''}", "missing or empty"),
        (b"switches: {page_size: 0}", "page_size: must be 1 or more"),
        (b"switches: {lag: soon}", "lag: must be a whole number"),
        (b"switches: {order: random}", "order: must be one of oldest_first, newest_first, by_id"),
        (b"switches: {pages: 3}", "unknown key pages in switches"),
        (b"customers: [{username: " + b"a" * 61 + b"}]", "has 61 characters; at most 60"),
    ],
)
def test_faults_say_where_and_what_to_do(text: bytes, said: str) -> None:
    """A file that is not a world is refused with the line and what to do."""
    with pytest.raises(ConfigurationError, match=said):
        load_world(text, now=NOW)
