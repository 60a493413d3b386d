"""`decisions` and `account list` as auditors, the billing system and spreadsheets meet them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import tracemalloc
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from pm_autoaccept.cli import cli
from pm_autoaccept.cli.output.csv_rows import cell
from pm_autoaccept.ledger import Database, SqlLedger
from pm_autoaccept.ledger.audit import find_decisions
from pm_autoaccept.model import (
    Action,
    CustomField,
    Mode,
    Outcome,
    PendingRequest,
    PolicyRevision,
    ProviderAccount,
    Receipt,
    Shadow,
    SourceUse,
    Step,
    Verdict,
)
from pm_autoaccept.record import DecisionFilter
from tests.examples import ALICE, BOB, NOW, connection, decided, meter_share, property_share, snapshot

SERVICE = "http://127.0.0.1/wstest"
DAY = timedelta(days=1)
REQUESTS: list[tuple[PendingRequest, Verdict]] = [
    (connection(ALICE, username="=HYPERLINK()", custom=(CustomField("Number", "0041"),)), Verdict.ACCEPT),
    (property_share(11, custom=(CustomField("Parcel", 'line one\nline "two", more'),)), Verdict.ACCEPT),
    (meter_share(21, 11, custom=(CustomField("Number", "-5"), CustomField("Number", "7"))), Verdict.HOLD),
    (connection(BOB, username="bob"), Verdict.REJECT),
]


async def _fill(address: str, requests: list[tuple[PendingRequest, Verdict]], *, name: str = "default") -> None:
    ledger = await SqlLedger.open(address, name=name)
    us = ProviderAccount(1 if name == "default" else 2, name)
    await ledger.claim(service=SERVICE, provider=us, at=NOW)
    await ledger.record_snapshot(snapshot(*(request for request, _ in requests)), at=NOW)
    for day, (request, verdict) in enumerate(requests):
        at = NOW + day * DAY
        decision = decided(request, verdict, note="+ a note" if verdict is Verdict.REJECT else None)
        await ledger.record_decisions([decision], [], mode=Mode.ENFORCE, at=at)
        if verdict is Verdict.HOLD:
            continue
        step = Step(decision=decision, action=Action.ACCEPT if verdict is Verdict.ACCEPT else Action.REJECT)
        intent = await ledger.record_intent(step, at=at)
        await ledger.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=at)
    await ledger.close()


@pytest.fixture
def address(tmp_path) -> str:
    """A ledger in a file with four decided requests, one a day."""
    made = f"sqlite:///{tmp_path / 'ledger.db'}"
    asyncio.run(_fill(made, REQUESTS))
    return made


def ask(address: str, *arguments: str) -> Result:
    """Run a command on this ledger."""
    return CliRunner().invoke(cli, [*arguments, "--ledger", address], standalone_mode=False)


def rows(address: str, *arguments: str) -> list[dict[str, str]]:
    """The rows of `decisions --output csv`."""
    result = ask(address, "decisions", "--output", "csv", *arguments)
    assert result.exception is None, result.exception
    return list(csv.DictReader(io.StringIO(result.stdout_bytes.decode("utf-8"), newline="")))


def test_csv_is_what_rfc_4180_says(address):
    """Header always, CRLF, quotes doubled, newlines within them."""
    raw = ask(address, "decisions", "--output", "csv", "--accepted").stdout_bytes
    head, _, body = raw.partition(b"\r\n")
    assert head.startswith(
        b"account,request,kind,id,time,owner_id,owner_username,property_id,meter_id,custom: Number,custom: Parcel,"
    )
    assert b'"line one\nline ""two"", more"' in body
    assert raw.endswith(b"\r\n")
    empty = ask(address, "decisions", "--output", "csv", "--owner", "nobody").stdout_bytes
    assert empty.count(b"\r\n") == 1


def test_no_text_of_a_customer_is_a_formula_to_a_spreadsheet(address):
    """An apostrophe stands before it; numbers and moments stay what they are, and JSON has the text itself."""
    found = rows(address)
    assert [row["owner_username"] for row in found] == ["'=HYPERLINK()", "", "", "bob"]
    assert found[3]["note"] == "'+ a note"
    assert found[0]["owner_id"] == str(ALICE)
    said = json.loads(ask(address, "decisions", "--output", "json").stdout)
    assert [row["owner_username"] for row in said] == ["=HYPERLINK()", None, None, "bob"]
    for begins in "=+-@\t\r":
        assert cell(f"{begins}1") == f"'{begins}1"
    assert cell(-14) == -14


@pytest.mark.parametrize(
    "command", [("decisions",), ("decisions", "--accepted"), ("decisions", "--policies"), ("account", "list"),
                ("account", "notifications"), ("data", "history")]
)  # fmt: skip
def test_csv_for_excel_begins_with_a_byte_order_mark(address, command):
    """Excel takes UTF-8 without one for something else; nothing else differs."""
    plain, marked = (ask(address, *command, "--output", "csv", *more) for more in ((), ("--bom",)))
    assert marked.stdout_bytes == b"\xef\xbb\xbf" + plain.stdout_bytes
    assert plain.stdout_bytes.endswith(b"\r\n")


def test_only_csv_has_a_byte_order_mark(address):
    """It would be a fault in JSON, and nothing to people."""
    for output in ("text", "json"):
        refused = ask(address, "decisions", "--output", output, "--bom")
        assert "--bom is for spreadsheets; say --output csv too" in str(refused.exception)
        assert refused.stdout == ""


FORMS = [
    chr(code) for code in range(0x80, 0x11000) if unicodedata.normalize("NFKC", chr(code))[:1] in {*"=+-@", "\u2212"}
]
"""Full-width, small, raised and lowered forms of the signs, and what else Unicode counts as one."""
BLANKS = ["", " ", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u2028", "\x0b", " \t ", "\x1f", "\u00ad\u200f"]
"""What nobody sees, and a spreadsheet may leave out."""


@pytest.mark.parametrize("sign", [*"=+-@", *FORMS], ids=ascii)
def test_no_form_of_a_sign_begins_a_formula(sign):
    """Also behind what cannot be seen."""
    for blanks in BLANKS:
        assert cell(f"{blanks}{sign}1+1") == f"'{blanks}{sign}1+1"


@pytest.mark.parametrize("text", ["\n=1", "\r=1", "\t1", "\nplain", "\r\n1"])
def test_a_text_that_begins_with_a_break_is_no_cell_of_its_own(text):
    """A spreadsheet may take the text apart there."""
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["a=1", "1-2", "", " ", "\u200b", "\u2013 see note", "a\n=1", "(=1)", "\u00e9=1", '"=1']
)
def test_a_text_that_begins_otherwise_stays_what_it_is(text):
    """A sign within a text computes nothing."""
    assert cell(text) == text


def test_accepted_has_each_custom_field_in_its_own_column_beside_the_ids(address):
    """One row for each that was let in, as the billing system wants it."""
    found = rows(address, "--accepted")
    assert [(row["request"], row["property_id"], row["custom: Number"]) for row in found] == [
        (f"connection:{ALICE}", "", "0041"),
        ("property:11", "11", ""),
    ]
    assert {row["outcome"] for row in found} == {"done"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (("--kind", "meter"), ["meter:21"]),
        (("--verdict", "reject"), [f"connection:{BOB}"]),
        (("--rule", "a-rule", "--owner", "bob"), [f"connection:{BOB}"]),
        (("--owner", str(BOB)), [f"connection:{BOB}"]),
        (("--owner", "9" * 40), []),
        (("--since", "2026-03-06"), ["meter:21", f"connection:{BOB}"]),
        (("--until", "2026-03-04"), [f"connection:{ALICE}"]),
        (("--since", "2026-03-05T07:00-05:00", "--until", "2026-03-05T12:00:01"), ["property:11"]),
        (("--account", "default", "--accepted"), [f"connection:{ALICE}", "property:11"]),
    ],
    ids=str,
)
def test_what_is_asked_for_is_what_comes(address, asked, expected):
    """By kind, verdict, rule, owner, time with its zone, and account."""
    assert [row["request"] for row in rows(address, *asked)] == expected


def test_an_account_that_the_ledger_does_not_know_and_a_time_that_is_none_are_usage_errors(address):
    """Rather than an empty list, which would look like an answer."""
    for asked, said in ((("--account", "nobody"), "it knows default"), (("--since", "yesterday"), "2026-03-31")):
        error = ask(address, "decisions", *asked).exception
        assert error is not None
        assert said in str(getattr(error, "message", ""))


def test_accounts_stand_apart_in_one_ledger(address):
    """Each row says whose it is."""
    asyncio.run(_fill(address, [(connection(777), Verdict.HOLD)], name="second"))
    assert [row["account"] for row in rows(address)] == ["default"] * 4 + ["second"]
    assert [row["request"] for row in rows(address, "--account", "second")] == ["connection:777"]


async def test_a_ledger_of_any_size_is_read_row_by_row(ledger_address):
    """What 2,000 decisions hold, 30 MB and more, is never in memory at once."""
    wide = "x" * 15_000
    requests = [(connection(number, custom=(CustomField("N", wide),)), Verdict.HOLD) for number in range(1, 2_001)]
    ledger = await SqlLedger.open(ledger_address)
    await ledger.claim(service=SERVICE, provider=ProviderAccount(1, "us"), at=NOW)
    await ledger.record_snapshot(snapshot(*(request for request, _ in requests)), at=NOW)
    await ledger.record_decisions(
        [decided(request, verdict) for request, verdict in requests], [], mode=Mode.OBSERVE, at=NOW
    )
    await ledger.close()
    del requests
    database = await Database.open(ledger_address, read_only=True)

    def count(connection) -> int:
        tracemalloc.start()
        try:
            found = sum(1 for _ in find_decisions(connection, DecisionFilter()))
            return found if tracemalloc.get_traced_memory()[1] < 20_000_000 else -1
        finally:
            tracemalloc.stop()

    assert await database.read(count) == 2_000
    await database.close()


def test_text_is_for_people_and_says_how_many(address):
    """The default output."""
    said = ask(address, "decisions").stdout
    assert "meter:21" in said
    assert said.endswith("4 decisions.\n")
    assert "0 connections and shares came in undecided." in ask(address, "decisions", "--undecided").stdout


def test_undecided_does_not_go_with_what_asks_for_decisions(address):
    """Nothing of it was decided."""
    assert ask(address, "decisions", "--undecided", "--rule", "x").exception is not None


@pytest.mark.parametrize(
    "words",
    [("decisions",), ("decisions", "--every"), ("decisions", "--policies"), ("account", "list"), ("data", "history")],
)
def test_columns_have_one_name_in_json_and_csv(address, words):
    """Whoever reads one form can read the other."""
    asyncio.run(_let_in(address))
    head = ask(address, *words, "--output", "csv").stdout_bytes.partition(b"\r\n")[0].decode().split(",")
    said = json.loads(ask(address, *words, "--output", "json").stdout)
    assert said
    assert all(list(row) == head for row in said), f"{list(said[0])} in JSON, {head} in CSV"


async def _let_in(address: str) -> None:
    """Somebody who stands, a source that was read, and a policy that was in force."""
    ledger = await SqlLedger.open(address)
    us = ProviderAccount(1, "default")
    await ledger.claim(service=SERVICE, provider=us, at=NOW)
    await ledger.reconcile(snapshot(connected=frozenset({ALICE})), at=NOW)
    await ledger.record_policy_revision(PolicyRevision(digest="d", rules=1, files={}), at=NOW)
    await ledger.record_sources([SourceUse("list", 1, "d")], at=NOW)
    await ledger.close()


@pytest.mark.parametrize("words", ["decisions", "decisions --policies", "account list", "data history"])
@pytest.mark.parametrize("zone", [None, "America/Chicago"])
def test_times_for_people_say_their_zone_which_is_the_policy_s(address, monkeypatch, tmp_path, words, zone):
    """An analyst in Chicago reads the list by the clock on the wall; JSON and CSV stay in UTC."""
    asyncio.run(_let_in(address))
    if zone:
        policy = f"version: 1\ntime_zone: {zone}\nrules: [{{id: a, on: meter, when: always, then: hold}}]\n"
        (tmp_path / "policy.yaml").write_text(policy)
        monkeypatch.setenv("PM_AUTOACCEPT_POLICY", str(tmp_path))
    assert ("06:00:00 CST" if zone else "12:00:00 UTC") in ask(address, *words.split()).stdout
    assert "T12:00:00+00:00" in ask(address, *words.split(), "--output", "json").stdout


def test_a_policy_that_cannot_be_read_keeps_nobody_from_the_ledger(address, monkeypatch, tmp_path):
    """Times are in UTC then."""
    monkeypatch.setenv("PM_AUTOACCEPT_POLICY", str(tmp_path / "nowhere"))
    assert "12:00:00 UTC" in ask(address, "decisions").stdout


def test_since_may_be_said_as_a_length(address):
    """`7d` is a week ago, as a policy writes it."""
    fresh = connection(4711)
    asyncio.run(_fill_now(address, fresh))
    for length in ("7d", "1h"):
        result = ask(address, "decisions", "--since", length, "--output", "json")
        assert result.exception is None, getattr(result.exception, "message", result.exception)
        assert [row["request"] for row in json.loads(result.stdout)] == ["connection:4711"]
    assert len(json.loads(ask(address, "decisions", "--until", "7d", "--output", "json").stdout)) == 4


async def _fill_now(address: str, request: PendingRequest) -> None:
    ledger = await SqlLedger.open(address)
    now = datetime.now(UTC)
    await ledger.claim(service=SERVICE, provider=ProviderAccount(1, "default"), at=now)
    await ledger.record_snapshot(snapshot(request), at=now)
    await ledger.record_decisions([decided(request, Verdict.HOLD)], [], mode=Mode.ENFORCE, at=now)
    await ledger.close()


async def _held_then(address: str, *, shadows: tuple[Shadow, ...] = (), name: str = "default") -> None:
    """A request that one policy holds, and the next accepts; the accept is done."""
    ledger = await SqlLedger.open(address, name=name)
    await ledger.claim(service=SERVICE, provider=ProviderAccount(1 if name == "default" else 2, name), at=NOW)
    request = connection(4711)
    await ledger.record_snapshot(snapshot(request), at=NOW)
    held = replace(decided(request, Verdict.HOLD), rule="wait", shadows=shadows)
    await ledger.record_decisions([held], [], mode=Mode.ENFORCE, at=NOW)
    accepts = decided(request, Verdict.ACCEPT)
    await ledger.record_decisions([accepts], [], mode=Mode.ENFORCE, at=NOW + DAY)
    step = Step(decision=accepts, action=Action.ACCEPT)
    intent = await ledger.record_intent(step, at=NOW + DAY)
    await ledger.record_outcome(intent, Receipt(step=step, outcome=Outcome.DONE), at=NOW + DAY)
    await ledger.close()


def test_among_every_decision_each_has_the_outcome_of_its_own_answer(tmp_path):
    """The hold of a request that was accepted later was no accept, nor a reject."""
    address = f"sqlite:///{tmp_path / 'ledger.db'}"
    asyncio.run(_held_then(address))
    said = json.loads(ask(address, "decisions", "--every", "--output", "json").stdout)
    assert [(row["rule"], row["answer"], row["outcome"], row["outcome_at"] is None) for row in said] == [
        ("wait", None, None, True),
        ("a-rule", "Accept", "done", False),
    ]
    lines = [line.split() for line in ask(address, "decisions", "--every").stdout.splitlines()]
    assert [line[line.index("wait") + 1] for line in lines if "wait" in line] == ["held"]
    assert [row["outcome"] for row in json.loads(ask(address, "decisions", "--output", "json").stdout)] == ["done"]


def test_what_a_rule_that_is_not_enforced_would_have_decided_is_told_and_found(tmp_path):
    """By its id, as what any other rule decided; and not by the beginning of its id."""
    address = f"sqlite:///{tmp_path / 'ledger.db'}"
    asyncio.run(_held_then(address, shadows=(Shadow("tried-out", Verdict.ACCEPT), Shadow("another", Verdict.REJECT))))
    told = ask(address, "decisions", "--every").stdout
    assert "(Not enforced: tried-out would accept.) (Not enforced: another would reject.)" in told
    for rule in ("tried-out", "another"):
        found = ask(address, "decisions", "--every", "--rule", rule, "--output", "json")
        assert [row["rule"] for row in json.loads(found.stdout)] == ["wait"]
    error = ask(address, "decisions", "--rule", "tried").exception
    assert error is not None, "an empty list looks like an answer"
    assert "has a rule `tried` (did you mean `tried-out`?)" in str(getattr(error, "message", ""))


def test_a_rule_of_the_policy_that_has_decided_nothing_yet_is_no_error(address, monkeypatch, tmp_path):
    """It is known, and the list is empty."""
    (tmp_path / "policy.yaml").write_text("version: 1\nrules: [{id: new-one, on: meter, when: always, then: hold}]\n")
    monkeypatch.setenv("PM_AUTOACCEPT_POLICY", str(tmp_path))
    assert "0 decisions." in ask(address, "decisions", "--rule", "new-one").stdout


@pytest.mark.parametrize("words", ["decisions", "decisions --every", "decisions --undecided", "account list"])
def test_with_several_accounts_every_list_names_the_account(address, words):
    """And a command that it prints says whose it is; with one account neither is said."""
    asyncio.run(_let_in(address))
    asyncio.run(_come_in(address, "default", 1))
    alone = ask(address, *words.split()).stdout
    assert "default" not in alone
    assert "--account" not in alone
    asyncio.run(_held_then(address, name="second"))
    asyncio.run(_come_in(address, "second", 2))
    both = ask(address, *words.split()).stdout
    assert both.splitlines()[0].split()[0] == "account"
    assert {line.split()[0] for line in both.splitlines()[1:-1]} >= {"default", "second"}
    if "undecided" in words:
        assert f"pm-autoaccept account disconnect {BOB} --remove-shares --account second" in both
    assert "default" not in ask(address, *words.split(), "--account", "second").stdout


async def _come_in(address: str, name: str, number: int) -> None:
    """Bob is connected, and no answer of ours explains it."""
    ledger = await SqlLedger.open(address, name=name)
    await ledger.claim(service=SERVICE, provider=ProviderAccount(number, name), at=NOW)
    await ledger.reconcile(snapshot(connected=frozenset({ALICE})), at=NOW)
    await ledger.reconcile(snapshot(connected=frozenset({ALICE, BOB})), at=NOW + DAY)
    await ledger.close()


def test_review_lists_what_is_held_now_without_settings_of_the_service(address):
    """By which rule and for how long; what was answered, or held before, is not in it."""
    asyncio.run(_held_then(address))
    result = ask(address, "review", "--output", "json")
    assert result.exception is None, "there is no such command"
    (held,) = json.loads(result.stdout)
    assert (held["request"], held["rule"], held["held_since"]) == ("meter:21", "a-rule", "2026-03-06T12:00:00+00:00")
    since = datetime.now(UTC) - datetime.fromisoformat(held["held_since"])
    assert abs(held["held_for_seconds"] - since.total_seconds()) < 3600
    text = ask(address, "review").stdout
    assert "meter:21" in text
    assert text.endswith("1 request is held for review.\n")
    csv_head = ask(address, "review", "--output", "csv").stdout.splitlines()[0]
    assert csv_head.split(",") == list(held)


def test_one_request_is_told_with_its_evidence_also_when_it_pends_no_more(tmp_path):
    """Each decision, why, what was found, the answer and what came of it."""
    address = f"sqlite:///{tmp_path / 'ledger.db'}"
    asyncio.run(_held_then(address))
    result = ask(address, "decisions", "connection:4711")
    assert result.exception is None, getattr(result.exception, "message", result.exception)
    assert result.stdout.count("connection:4711 of ") == 2
    for told in ("hold by rule wait", "accept by rule a-rule", "accepted, sent 2026-03-05 12:00:00 UTC"):
        assert told in result.stdout
    said = json.loads(ask(address, "decisions", "connection:4711", "--output", "json").stdout)
    assert [row["outcome"] for row in said] == [None, "done"]


@pytest.mark.parametrize("key", ["4711", "connection", "building:1", "connection:x", "connection:1"])
def test_a_key_that_names_nothing_is_told_what_keys_look_like(address, key):
    """Rather than an empty list."""
    error = ask(address, "decisions", key).exception
    assert "a key is as in the list" in str(getattr(error, "message", "")) or "meter:30511977" in str(
        getattr(error, "message", "")
    ), getattr(error, "message", error)
