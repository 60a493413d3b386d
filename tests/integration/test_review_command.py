"""`review` on both databases: what is held is listed, shown, answered, taken back, and refused when it changed."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import select
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import click
import pytest
import sqlalchemy
from click.testing import CliRunner

from pm_autoaccept.cli import cli
from pm_autoaccept.cli.support.review_answers import ReviewLedger
from pm_autoaccept.cli.support.review_prompt import ReviewPrompt
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import ReviewSettings
from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.db.tables import human_answer as answer_table
from pm_autoaccept.model import Action, CustomField, Evidence, Mode, PendingRequest, Reviewer, Step, Truth, Verdict
from tests.examples import ALICE, BOB, connection, decided, meter_share, property_share, snapshot
from tests.unit.ledger.acting import HOLD, SERVICE, US

AGO = timedelta(minutes=5)
ANA = Reviewer(name="ana")
NASTY = "Oak\x1b[2J\x1b]0;pwned\x07 \u202eLLC\nproperty:1 accepted"


class Said(NamedTuple):
    """What a command printed, and its exit code; the text of an error counts as printed."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """All of it."""
        return self.stdout + self.stderr


class Desk:
    """A ledger that a daemon fills, and the commands that a reviewer gives on it."""

    def __init__(self, address: str, tmp_path) -> None:
        self.address, self.settings, self.reads = address, tmp_path / "settings.yaml", 0
        self.name = "oak"

    def ledger(self, happen: Callable[[SqlLedger], Any]) -> Any:
        """Let something happen in the ledger."""

        async def work() -> Any:
            ledger = await SqlLedger.open(self.address, name=self.name)
            await ledger.claim(
                service=SERVICE, provider=replace(US, id=len(self.name) + ord(self.name[0])), at=utc_now() - AGO
            )
            try:
                return await happen(ledger)
            finally:
                await ledger.close()

        return asyncio.run(work())

    def hold(self, *requests: PendingRequest, mode: Mode = Mode.ENFORCE, **said: Any) -> None:
        """Let a cycle read exactly these requests and hold them."""

        async def happen(ledger: SqlLedger) -> None:
            await self.see(ledger, *requests)
            held = [decided(request, HOLD, **said) for request in requests]
            await ledger.record_decisions(held, [], mode=mode, at=utc_now())

        self.ledger(happen)

    async def see(self, ledger: SqlLedger, *requests: PendingRequest) -> Any:
        """Record a read."""
        self.reads += 1
        begun = utc_now() - AGO + timedelta(seconds=self.reads)
        seen = snapshot(*requests)
        times = {"begun": begun, "ended": begun}
        lists = {name: replace(getattr(seen, name), **times) for name in ("connections", "properties", "meters")}
        seen = replace(seen, **lists)
        await ledger.record_snapshot(seen, at=begun)
        return await ledger.history(seen, at=utc_now() + timedelta(minutes=1))

    def send(self, request: PendingRequest, *others: PendingRequest) -> Verdict:
        """Let a cycle send what people answered, as far as its intent; returns what it sends."""

        async def happen(ledger: SqlLedger) -> Verdict:
            answer = (await self.see(ledger, request, *others)).human_answers[request.key]
            verdict = Verdict.ACCEPT if answer.action is Action.ACCEPT else Verdict.REJECT
            decision = replace(decided(request, verdict), person=answer, note=answer.note)
            await ledger.record_intent(Step(decision=decision, action=answer.action), at=utc_now())
            return verdict

        return self.ledger(happen)

    def say(self, *words: str, stdin: str | None = None) -> Said:
        """Give a command."""
        given = ["review", *words, "--ledger", self.address]
        result = CliRunner().invoke(cli, given, input=stdin, standalone_mode=False)
        if (error := result.exception) is None:
            return Said(result.return_value, result.stdout, result.stderr)
        assert isinstance(error, click.ClickException | ConfigurationError), result.exc_info
        return Said(getattr(error, "exit_code", 78), result.stdout, f"{result.stderr}{error}")

    def listed(self, *words: str) -> dict[str, dict[str, Any]]:
        """What `review --output json` lists, by request."""
        return {row["request"]: row for row in json.loads(self.say(*words, "--output", "json").stdout)}

    def answers(self) -> list[tuple[str, str, str | None, list[str]]]:
        """Each recorded answer: its state, action, note and people."""

        async def happen(ledger: SqlLedger) -> list[Any]:
            rows = sqlalchemy.select(answer_table).order_by(answer_table.c.id)
            return await ledger.database.read(lambda connection: connection.execute(rows).all())

        rows = self.ledger(happen)
        return [(row.state, row.action, row.note, [name for name, _ in row.people]) for row in rows]

    def rule(self, **said: object) -> None:
        """Say who may answer what is held; as `answer` of a rule does."""
        values = ", ".join(f"{name} = {value!r}" for name, value in said.items())

        async def happen(ledger: SqlLedger) -> None:
            await ledger.database.run(
                lambda connection: connection.exec_driver_sql(f"UPDATE decision SET {values}")  # noqa: S608 — ours
            )

        self.ledger(happen)


@pytest.fixture
def desk(ledger_address, tmp_path, monkeypatch) -> Desk:
    """A ledger on each database in turn; Ana is at the keyboard."""
    monkeypatch.setattr("pm_autoaccept.cli.support.confirm.user_name", lambda: "ana")
    return Desk(ledger_address, tmp_path)


@pytest.fixture
def as_ben(monkeypatch) -> Callable[[], None]:
    """Let Ben sit down at the keyboard."""
    return lambda: monkeypatch.setattr("pm_autoaccept.cli.support.confirm.user_name", lambda: "ben")


OAK = connection(username="oak_llc", requested_at=utc_now() - timedelta(days=2))
SHARE = property_share(11, username="oak_llc", requested_at=utc_now() - timedelta(days=1))
METER = meter_share(21, 11, username="oak_llc", requested_at=utc_now() - timedelta(hours=1))
ELM = connection(BOB, username="elm_inc", requested_at=utc_now() - timedelta(days=3))


def test_what_is_held_is_listed_with_its_key_and_what_an_accept_also_does(desk):
    """The oldest first; --owner, --rule and --mine select."""
    desk.hold(ELM, OAK, SHARE, METER)
    listed = desk.listed()
    assert set(listed) == {str(each.key) for each in (ELM, OAK, SHARE, METER)}
    assert re.fullmatch(rf"connection:{ALICE}@[0-9]+\.[0-9]+\.[0-9a-f]{{12}}", listed[str(OAK.key)]["key"])
    assert listed["meter:21"]["needs"] == [f"connection:{ALICE}", "property:11"]
    assert listed[str(OAK.key)]["reject_also"] == ["meter:21", "property:11"]
    assert "An accept also connects oak_llc" in desk.say().stdout
    assert set(desk.listed("--owner", "elm_inc")) == set(desk.listed("--owner", str(BOB))) == {str(ELM.key)}
    assert desk.listed("--rule", "another") == {}
    desk.say("accept", str(ELM.key), "--yes")
    assert str(ELM.key) not in desk.listed("--mine")
    assert desk.listed()[str(ELM.key)]["answered_by"] == ["ana"]


def test_an_accept_is_recorded_and_sent_once(desk):
    """Under the name of the machine's user; a second answer is refused and says who answered, and when."""
    desk.hold(OAK)
    given = desk.say("accept", str(OAK.key), "--yes")
    assert (given.exit_code, f"Recorded {OAK.key}, by ana" in given.stdout) == (0, True)
    again = desk.say("reject", str(OAK.key), "--yes")
    assert again.exit_code == 1
    assert "ana accepted this" in again.output
    assert desk.send(OAK) is Verdict.ACCEPT
    assert desk.answers() == [("sent", "Accept", None, ["ana"])]


def test_a_reject_takes_its_note_from_the_reviewer_or_the_rule(desk):
    """A note that cannot be sent is refused before anything is recorded."""
    desk.hold(OAK, ELM, note="Not our customer.")
    assert desk.say("reject", str(OAK.key), "--note", " Please call us. ", "--yes").exit_code == 0
    assert desk.say("reject", str(ELM.key), "--note-from-rule", "--yes").exit_code == 0
    assert [note for _, _, note, _ in desk.answers()] == ["Please call us.", "Not our customer."]


@pytest.mark.parametrize("note", ["  ", "x" * 1_001, "a\x07b"])
def test_a_note_that_cannot_be_sent_is_refused(desk, note):
    """Nothing is recorded."""
    desk.hold(OAK)
    given = desk.say("reject", str(OAK.key), "--note", note, "--yes")
    assert given.exit_code == 2
    assert "--note: the note" in given.output
    assert desk.answers() == []


def test_an_answer_is_taken_back_in_time_and_not_too_late(desk):
    """The request is back in the queue; once the intent is recorded there is no way back."""
    desk.hold(OAK)
    desk.say("accept", str(OAK.key), "--yes")
    assert desk.say("take-back", str(OAK.key)).exit_code == 0
    assert str(OAK.key) in desk.listed("--mine")
    desk.say("accept", str(OAK.key), "--yes")
    desk.send(OAK)
    late = desk.say("take-back", str(OAK.key))
    assert (late.exit_code, "already sent" in late.output) == (1, True)
    assert [state for state, *_ in desk.answers()] == ["taken_back", "sent"]


def test_forty_of_one_owner_are_answered_from_stdin_at_once(desk):
    """The keys as `review --output json` lists them. One changed meanwhile; it alone is refused."""
    shares = [property_share(number, username="oak_llc") for number in range(100, 140)]
    desk.hold(OAK, *shares)
    keys = [row["key"] for row in desk.listed("--owner", "oak_llc").values() if row["kind"] == "property"]
    changed = replace(shares[7], access_level="Read Only")
    desk.hold(OAK, *[changed if each.id == changed.id else each for each in shares])
    given = desk.say("accept", "-", "--yes", "--output", "json", stdin="\n".join(keys))
    statuses = {row["request"]: row["status"] for row in json.loads(given.stdout)}
    assert (given.exit_code, statuses.pop("property:107")) == (1, "stale")
    assert (len(statuses), set(statuses.values())) == (39, {"recorded"})
    assert desk.say("accept", desk.listed()["property:107"]["key"], "--yes").exit_code == 0
    assert len(desk.answers()) == 40


def test_a_family_is_answered_in_one_act_or_said_to_be_missing(desk):
    """Each as its own answer."""
    desk.hold(OAK, SHARE, METER)
    alone = desk.say("accept", "meter:21", "--yes")
    assert (alone.exit_code, len(desk.answers())) == (0, 1)
    assert f"needs an accept of connection:{ALICE}, property:11" in alone.stderr
    desk.say("take-back", "meter:21")
    assert desk.say("accept", "meter:21", "--family", "--yes").exit_code == 0
    assert [state for state, *_ in desk.answers()] == ["taken_back", "waiting", "waiting", "waiting"]
    desk.say("take-back", "meter:21", "property:11", str(OAK.key))
    assert desk.say("reject", str(OAK.key), "--family", "--note", "No.", "--yes").exit_code == 0
    assert [row[1:3] for row in desk.answers()[4:]] == [("Reject", "No.")] * 3


def test_two_people_must_give_the_same_answer(desk, as_ben):
    """Nobody twice. A colleague finds it under --mine until then."""
    desk.hold(OAK)
    desk.rule(answer_people=2)
    first = desk.say("accept", str(OAK.key), "--yes")
    assert (first.exit_code, "another person must give the same answer (1 of 2)" in first.stdout) == (0, True)
    assert desk.say("accept", str(OAK.key), "--yes").exit_code == 1
    assert desk.listed("--mine") == {}
    as_ben()
    assert set(desk.listed("--mine")) == {str(OAK.key)}
    assert desk.say("accept", str(OAK.key), "--yes").exit_code == 0
    assert desk.answers() == [("waiting", "Accept", None, ["ana", "ben"])]


def test_only_the_group_of_the_rule_may_answer_and_nobody_for_their_own_account(desk):
    """As the settings file says who is in it; --as only where it allows that."""
    desk.settings.write_text(
        "reviewers:\n"
        f"  ana: {{groups: [benchmarking], own_accounts: [{BOB}], may_answer_as: [ben]}}\n"
        "  ben: {groups: [front-desk]}\n",
        encoding="utf-8",
    )
    with_settings = ("--settings", str(desk.settings), "--yes")
    desk.hold(OAK, ELM)
    desk.rule(answer_by="benchmarking")
    as_ben = desk.say("accept", str(OAK.key), "--as", "ben", *with_settings)
    assert (as_ben.exit_code, "only the group `benchmarking` may answer it" in as_ben.output) == (1, True)
    own = desk.say("accept", str(ELM.key), *with_settings)
    assert (own.exit_code, f"account {BOB} is your own" in own.output) == (1, True)
    stranger = desk.say("accept", str(OAK.key), "--as", "cleo", *with_settings)
    assert "may not answer as cleo" in stranger.output
    assert desk.say("accept", str(OAK.key), *with_settings).exit_code == 0
    assert desk.answers() == [("waiting", "Accept", None, ["ana"])]


def test_in_observe_mode_the_answer_is_recorded_and_said_not_to_be_sent(desk):
    """It can be answered anew after a switch to enforce."""
    desk.hold(OAK, mode=Mode.OBSERVE)
    given = desk.say("accept", str(OAK.key), "--yes")
    assert (given.exit_code, "not sent, because the account is in observe mode" in given.output) == (0, True)
    assert desk.listed("--mine") == {}
    desk.hold(OAK)
    assert set(desk.listed("--mine")) == {str(OAK.key)}


def test_while_answering_is_paused_the_command_says_that_the_answer_waits(desk):
    """With who paused it and why."""
    desk.hold(OAK, ELM)
    pause = ["pause", "--why", "wrong table", "--ledger", desk.address]
    CliRunner().invoke(cli, [*pause, "--account", "oak"], catch_exceptions=False)
    assert "Not sent until `resume`: " in (said := desk.say("accept", str(OAK.key), "--yes")).stderr
    assert "paused account oak at " in said.stderr
    assert "wrong table" in said.stderr
    CliRunner().invoke(cli, ["resume", "--account", "oak", "--ledger", desk.address], catch_exceptions=False)
    assert desk.say("accept", str(ELM.key), "--yes").stderr == ""


def test_everything_about_one_request_is_shown(desk):
    """With what was expected and found, what each answer also does, and an earlier decision."""
    share = replace(SHARE, custom=(CustomField("Customer Number", "C-1"),))
    evidence = (Evidence("Customer Number", "in customers", "C-1", Truth.FALSE),)
    desk.hold(OAK, share, METER, evidence=evidence, note="Welcome.")
    desk.hold(OAK, share, METER, evidence=evidence, note="Welcome.", tell="people")
    shown = desk.say("show", "property:11")
    assert shown.exit_code == 0
    for text in (
        "oak_llc",
        "expected in customers, found C-1",
        f"connects oak_llc ({ALICE})",
        "rejects meter:21",
        "Welcome.",
        "everybody",
        "earlier",
    ):
        assert text in shown.stdout
    assert "is not pending" in desk.say("show", "property:999").output


def test_customer_text_cannot_control_the_terminal(desk):
    """Neither in the list, nor shown, nor in a preview."""
    share = replace(SHARE, username=NASTY, custom=(CustomField("Name\x1b[1m", NASTY),))
    evidence = (Evidence("Name", "one of ours", NASTY, Truth.FALSE),)
    desk.hold(share, evidence=evidence, note="Welcome.")
    outputs = [
        desk.say().output,
        desk.say("show", "property:11").output,
        desk.say("accept", "property:11").output,
        desk.say("accept", "property:11", "--yes").output,
    ]
    for output in outputs:
        assert not {"\x1b", "\x07", "\u202e"} & set(output)
        assert "\nproperty:1 accepted" not in output


def test_without_a_terminal_nothing_is_answered_unless_confirmed(desk):
    """The preview is printed, and says what else would happen."""
    desk.hold(OAK, SHARE)
    given = desk.say("accept", "property:11")
    assert (given.exit_code, "pass --yes to confirm" in given.output) == (2, True)
    assert "Accept property:11 of oak_llc, which also connects oak_llc" in given.stderr
    assert "use `review`, `review accept KEY`" in desk.say("next").output
    assert desk.answers() == []


def test_an_option_in_front_of_a_subcommand_is_refused(desk):
    """It would be ignored, and the answer might be recorded in another ledger."""
    given = CliRunner().invoke(cli, ["review", "--ledger", desk.address, "accept", str(OAK.key), "--yes"])
    assert given.exit_code == 2
    assert "--ledger must come after `accept`" in given.output


def _asks(shown: str, terminal: int) -> bool:
    """Whether the command waits for a key or a line. What was typed ahead of a question is dropped on purpose."""
    by_lines = bool(termios.tcgetattr(terminal)[3] & termios.ICANON)
    return shown.endswith("): ") if by_lines else shown.endswith("] ")


def press(desk: Desk, *keys: str) -> str:
    """Run `review next` in a terminal of its own, and press each key when it is asked for."""
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - the child becomes the command
        command = [sys.executable, "-m", "pm_autoaccept", "review", "next", "--ledger", desk.address]
        os.execve(sys.executable, command, os.environ | {"LOGNAME": "ana", "NO_COLOR": "1"})  # noqa: S606 — a terminal of its own
    shown, left, seen, end = "", list(keys), 0, time.monotonic() + 30
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                shown += os.read(terminal, 65_536).decode(errors="replace")
            except OSError:  # Linux says so when the other end is closed
                break
        if left and _asks(shown[seen:], terminal):
            seen = len(shown)
            os.write(terminal, left.pop(0).encode())
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert (os.waitstatus_to_exitcode(status), left) == (0, []), shown
    return shown.replace("\r\n", "\n")


def test_next_goes_through_the_queue_with_single_keys(desk):
    """Accept, show, reject with the rule's note, take back, and quit; an answered family is not asked about again."""
    desk.hold(ELM, SHARE, OAK, METER, note="No.")
    shown = press(desk, *("r", "\n"), "n", "s", *("a", "y"), "u", *("a", "\n"))
    assert all(f"[{place}/4]" in shown for place in (1, 2, 3, 4))
    assert "who may answer" in shown
    assert shown.endswith("Answered 4 requests.\n")
    by_ana = [row[:3] for row in desk.answers()]
    assert by_ana[0] == ("waiting", "Reject", "No.")
    assert by_ana[1:] == [("taken_back", "Accept", None)] * 2 + [("waiting", "Accept", None)] * 3


def test_what_was_taken_back_is_asked_about_again(desk):
    """At the end."""
    desk.hold(ELM, OAK)
    shown = press(desk, "a", "u", "n", "q")
    assert "[3/3] connection:" in shown
    assert shown.endswith("Answered 0 requests.\n")


def test_next_answers_in_the_account_of_the_request(desk):
    """One customer asked two of our accounts for a connection, so that its key alone is ambiguous."""
    desk.hold(OAK)
    desk.name = "elm"
    desk.hold(OAK)
    refused = desk.say("accept", str(OAK.key), "--yes")
    assert (refused.exit_code, "pending in several accounts (elm, oak)" in refused.stderr) == (1, True)
    press(desk, "a", "a")
    assert [row[:2] for row in desk.answers()] == [("waiting", "Accept")] * 2


def test_a_request_that_changes_under_the_reviewer_is_shown_again_with_the_note_kept(desk, monkeypatch, capsys):
    """What changed is said; Enter then sends the note that was written before."""
    desk.hold(OAK)
    notes, asked = iter(["Call us.", ""]), []

    def write(question: str, **_: Any) -> str:
        asked.append(question)
        if len(asked) == 1:
            desk.hold(replace(OAK, access_level="Read Only"))
        return next(notes)

    monkeypatch.setattr("click.prompt", write)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    ledger = ReviewLedger(
        option=desk.address, settings=None, account=None, by=ANA, review=ReviewSettings(grace=timedelta(seconds=10))
    )
    assert ReviewPrompt(ledger, read_key=lambda: "r").run() == 0
    assert asked == ["Note to the customer (Enter: no note)", "Note to the customer (Enter: Call us.)"]
    assert "changed this request" in capsys.readouterr().out
    assert desk.answers() == [("waiting", "Reject", "Call us.", ["ana"])]


def test_any_other_key_at_the_family_question_answers_nothing(desk):
    """A slip of the finger must not accept a family."""
    desk.hold(OAK, SHARE)
    shown = press(desk, "n", "a", "x", "q")
    assert f"Also accept connection:{ALICE}?" in shown
    assert desk.answers() == []


def test_a_thousand_keys_are_answered_within_seconds(desk):
    """The promise is 3 s; a busy machine has more."""
    shares = [property_share(number, username="oak_llc") for number in range(1_000, 2_000)]
    desk.hold(*shares)
    keys = "\n".join(row["key"] for row in desk.listed().values())
    begun = time.monotonic()
    assert desk.say("accept", "-", "--yes", stdin=keys).exit_code == 0
    assert time.monotonic() - begun < 10
    assert len(desk.answers()) == 1_000
