"""How a running daemon takes over changed policies and data: swapped links, half-written files, refusals."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import load_accounts
from pm_autoaccept.daemon import PolicyWatch, policy_watch
from pm_autoaccept.data_sources.fetch import SourceAccess
from pm_autoaccept.doctor import State, examine
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.telemetry.telemetry import Telemetry
from tests.reloading import LONG_AGO, events, run_until, say, write

RULE = "  - {id: RULE, on: [connection, property, meter], when: always, then: THEN}\n"


def text(rule: str, then: str) -> str:
    """A policy of one rule, as long as every other."""
    return "version: 1\nrules:\n" + RULE.replace("RULE", rule).replace("THEN", then)


HOLD, REJECT, FAULTY = text("wait-a-bit", "hold"), text("turn-away", "reject"), text("turn-away", "rejekt")
ASKS = """\
version: 1
data: {known: {lines: data/known.txt}}
rules:
  - {id: known, on: connection, when: {account.username: {in: known}}, then: accept}
"""
CASE = """\
version: 1
cases:
  - about: everything waits
    request: REQUEST
    now: 2026-03-04T12:00:00Z
    expect: {verdict: hold, rule: wait-a-bit}
"""

DOCUMENT = "<pendingList><account><accountId>7</accountId><username>anna</username></account></pendingList>"


class Kubernetes:
    """A folder as Kubernetes mounts a config map: its files are links through `..data`, which is swapped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = 0

    def show(self, files: dict[str, str]) -> None:
        """Put these files there, all at once."""
        self._versions += 1
        version = self.folder / f"..2026_03_04_12_00_{self._versions:02}"
        for name, contents in files.items():
            write(version / name, contents)
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.folder / "..data")
        for name in {name.partition("/")[0] for name in files}:
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")


async def watch_of(folder: Path, now=utc_now) -> PolicyWatch:
    """The watch over a folder."""
    return await PolicyWatch.begin(SourceAccess(folder), now=now)


def rules(watch: PolicyWatch) -> list[str]:
    """The rules in force."""
    return [rule.id for rule in watch.active.policy.rules]


async def test_a_folder_that_kubernetes_swaps_is_taken_over_though_its_files_look_alike(tmp_path):
    """The new files are as large and as old as those before; only where the link leads has changed."""
    mounted = Kubernetes(tmp_path)
    mounted.show({"policy.yaml": text("wait-1", "hold")})
    watch = await watch_of(tmp_path)
    assert (rules(watch), watch.blocked_reason(), await watch.apply_changes()) == (["wait-1"], None, False)
    mounted.show({"policy.yaml": text("wait-2", "hold")})
    assert watch.blocked_reason() == "the policy's files have changed"
    assert (await watch.apply_changes(), rules(watch), watch.blocked_reason()) == (True, ["wait-2"], None)


async def test_data_that_kubernetes_swaps_are_read_anew_and_the_policy_is_not(tmp_path):
    """Policy and data are told apart: the table is another, the policy the very same one."""
    mounted = Kubernetes(tmp_path)
    mounted.show({"policy.yaml": ASKS, "data/known.txt": "anna\n"})
    watch = await watch_of(tmp_path)
    before, table = watch.active, watch.active.tables["known"]
    mounted.show({"policy.yaml": ASKS, "data/known.txt": "otto\n"})
    # Every file is another one now, though only the data's contents changed.
    assert watch.blocked_reason() == "the policy's files have changed"
    assert await watch.apply_changes() is False
    assert watch.active is before
    assert watch.active.tables["known"] not in (table, NotLearnt("it is still being read"))
    write(tmp_path / "..data" / "data" / "known.txt", "jana\n")
    assert watch.blocked_reason() == "data files have changed: known"


async def test_the_folder_itself_may_be_a_link_that_is_swapped(tmp_path):
    """As tools do that keep each release in a folder of its own; also one that leads nowhere for a while."""
    for name, contents in (("one", HOLD), ("two", REJECT)):
        write(tmp_path / name / "policy.yaml", contents)
    current = tmp_path / "current"
    current.symlink_to("one")
    watch = await watch_of(current)
    current.unlink()
    assert watch.blocked_reason() == "the policy's files have changed"
    assert await watch.apply_changes() is False
    assert "is not a folder" in (watch.active.refused or "")
    current.symlink_to("two")
    assert (await watch.apply_changes(), rules(watch), watch.refusal) == (True, ["turn-away"], None)


async def test_a_link_to_nowhere_does_not_hide_that_the_policy_has_changed(tmp_path):
    """Else the old policy would go on answering, and nobody would be told."""
    write(tmp_path / "policy.yaml", HOLD)
    (tmp_path / "last-year.csv").symlink_to("archive/2025.csv")
    watch = await watch_of(tmp_path)
    assert await watch.apply_changes() is False
    write(tmp_path / "policy.yaml", REJECT)
    assert watch.blocked_reason() == "the policy's files have changed"
    assert await watch.apply_changes() is True
    (tmp_path / "more.yaml").symlink_to("nowhere.yaml")
    assert await watch.apply_changes() is False
    assert (rules(watch), watch.blocked_reason()) == (["turn-away"], None)
    assert watch.refusal is not None


async def test_a_document_that_a_test_names_belongs_to_the_policy(tmp_path):
    """A case whose document is not there yet refuses the policy; it comes into force when the document has come."""
    write(tmp_path / "policy.yaml", HOLD)
    watch = await watch_of(tmp_path)
    write(tmp_path / "policy.test.yaml", CASE.replace("REQUEST", "{xml: cases/list.xml}"))
    assert await watch.apply_changes() is False
    assert "cases/list.xml" in (watch.active.refused or "")
    write(tmp_path / "cases" / "list.xml", DOCUMENT)
    assert await watch.apply_changes() is True
    assert watch.blocked_reason() is None
    write(tmp_path / "cases" / "list.xml", "<pendingList/>")
    assert watch.blocked_reason() == "the policy's files have changed"


async def test_documents_of_tests_are_found_where_kubernetes_mounts_them(tmp_path):
    """In a folder that is a link; a link that leads round in a circle, or out of the folder, is not followed."""
    mounted = Kubernetes(tmp_path / "policy")
    tests = CASE.replace("REQUEST", "{xml: cases/list.xml}")
    (tmp_path / "outside").mkdir()
    write(tmp_path / "outside" / "other.xml", DOCUMENT)
    mounted.show({"policy.yaml": HOLD, "policy.test.yaml": tests, "cases/list.xml": DOCUMENT})
    (tmp_path / "policy" / "outside").symlink_to(tmp_path / "outside")
    (tmp_path / "policy" / "round").symlink_to(".")
    watch = await watch_of(tmp_path / "policy")
    assert set(watch.active.files) == {"policy.yaml", "policy.test.yaml", "cases/list.xml"}


async def test_a_policy_whose_tests_fail_is_refused(tmp_path):
    """The tests are run before it takes effect, and what is in force stays."""
    write(tmp_path / "policy.yaml", HOLD)
    watch = await watch_of(tmp_path)
    write(tmp_path / "policy.test.yaml", CASE.replace("REQUEST", "{kind: connection, account: {id: 7}}"))
    assert await watch.apply_changes() is True
    write(tmp_path / "policy.yaml", REJECT)
    assert await watch.apply_changes() is False
    assert (rules(watch), watch.blocked_reason()) == (["wait-a-bit"], None)
    assert str(watch.refusal).count("the first in policy.test.yaml:") == 1


async def test_a_file_that_is_still_being_written_is_waited_for(tmp_path, monkeypatch):
    """The first half of a list of blocked accounts is a policy without faults too."""
    write(tmp_path / "policy.yaml", HOLD)
    clock, waited = [utc_now()], []

    async def sleep(seconds: float) -> None:
        clock[0] += timedelta(seconds=seconds)
        waited.append(seconds)
        (tmp_path / "policy.yaml").write_text(REJECT)
        moment = clock[0].timestamp() if len(waited) == 1 else LONG_AGO
        os.utime(tmp_path / "policy.yaml", (moment, moment))

    watch = await watch_of(tmp_path, now=lambda: clock[0])
    monkeypatch.setattr("pm_autoaccept.data_sources.file_stamps.asyncio.sleep", sleep)
    (tmp_path / "policy.yaml").write_text(text("half", "hold"))
    os.utime(tmp_path / "policy.yaml", (clock[0].timestamp() - 0.25,) * 2)
    assert await watch.apply_changes() is True
    assert waited == [pytest.approx(0.75, abs=0.01), pytest.approx(1, abs=0.01)]
    assert rules(watch) == ["turn-away"]


async def test_a_policy_that_changes_while_it_is_read_is_read_again(tmp_path, monkeypatch):
    """No policy is put together from files of before and after; one that changes for ever never comes into force."""
    write(tmp_path / "policy.yaml", HOLD)
    watch = await watch_of(tmp_path)
    load, loads = policy_watch.load_policy, []

    def load_and_change(folder: Path) -> Any:
        loaded = load(folder)
        loads.append(loaded)
        write(tmp_path / "policy.yaml", text(f"number-{len(loads)}", "hold"))
        return loaded

    monkeypatch.setattr(policy_watch, "load_policy", load_and_change)
    write(tmp_path / "policy.yaml", REJECT)
    assert await watch.apply_changes() is False
    assert (rules(watch), len(loads)) == (["wait-a-bit"], 3)
    assert watch.blocked_reason() == "the policy's files have changed"
    monkeypatch.setattr(policy_watch, "load_policy", load)
    assert await watch.apply_changes() is True


async def test_a_policy_that_breaks_the_program_is_refused_like_one_with_faults(tmp_path, monkeypatch):
    """The policy in force stays, and what goes on record quotes nothing of the folder."""
    write(tmp_path / "policy.yaml", HOLD)
    watch = await watch_of(tmp_path)
    load = policy_watch.load_policy

    def load_and_break(_folder: Path) -> Any:
        raise RecursionError("turn-away")

    monkeypatch.setattr(policy_watch, "load_policy", load_and_break)
    write(tmp_path / "policy.yaml", REJECT)
    assert await watch.apply_changes() is False
    assert (rules(watch), watch.blocked_reason()) == (["wait-a-bit"], None)
    assert "internal error (RecursionError)" in (watch.active.refused or "")
    assert "turn-away" not in (watch.active.refused or "")
    monkeypatch.setattr(policy_watch, "load_policy", load)
    write(tmp_path / "policy.yaml", text("turn-back", "reject"))
    assert (await watch.apply_changes(), rules(watch), watch.refusal) == (True, ["turn-back"], None)


@pytest.fixture
def said(tmp_path, said_of):
    """Settings for a simulator, with a policy folder that the test changes."""
    write(tmp_path / "policy" / "policy.yaml", HOLD)
    return lambda simulator: said_of(simulator, interval="1d")


@pytest.fixture
def quickly(monkeypatch):
    """Files are looked at much more often than every second."""
    monkeypatch.setattr(policy_watch, "FILE_CHECK_INTERVAL", timedelta(milliseconds=5))


@pytest.mark.usefixtures("quickly")
async def test_held_requests_are_judged_again_at_once_after_a_change(simulate, said, tmp_path):
    """Nobody waits for the interval, a day here: not after a changed policy, and not after changed data."""
    policy = tmp_path / "policy"
    write(policy / "data" / "known.txt", "nobody\n")
    write(policy / "policy.yaml", ASKS)
    simulator = await simulate(clock=utc_now)
    everybody = "\n".join(account.username for account in simulator.world.accounts.values())
    logged = await run_until(
        said(simulator),
        lambda: write(policy / "data" / "known.txt", everybody),
        lambda: write(policy / "policy.yaml", REJECT),
    )
    assert events(logged) == [
        "data_read",
        "signed_in",
        "cycle_finished",
        "data_read",
        "cycle_finished",
        "policy_loaded",
        "cycle_finished",
    ]
    cycles = [entry for entry in logged if entry["event"] == "cycle_finished"]
    assert ["decided_accept" in cycle for cycle in cycles] == [False, True, False]
    assert "decided_reject" in cycles[2]


@pytest.mark.usefixtures("quickly")
async def test_a_refusal_is_seen_by_everybody(simulate, said, tmp_path):
    """In the log, the metrics, `/readyz`, `doctor` and the ledger, until it is put right; and the old policy stays."""
    policy = tmp_path / "policy" / "policy.yaml"
    simulator = await simulate(clock=utc_now)
    settings = said(simulator)
    telemetry = Telemetry(version="1")
    seen: list[tuple[str, float | None, float | None]] = []

    def look() -> None:
        (health,) = telemetry.accounts
        labels = {"account": "default"}
        refused = telemetry.registry.get_sample_value("pm_autoaccept_policy_refused", labels)
        total = telemetry.registry.get_sample_value("pm_autoaccept_policy_refusals_total", labels)
        seen.append((str(health.refusal or ""), refused, total))

    logged = await run_until(
        settings,
        lambda: (look(), write(policy, FAULTY)),
        lambda: (look(), write(policy, REJECT)),
        lambda: (look(), write(policy, FAULTY)),
        telemetry=telemetry,
    )
    assert events(logged) == [
        "signed_in",
        "cycle_finished",
        "policy_refused",
        "cycle_finished",
        "policy_loaded",
        "cycle_finished",
        "policy_refused",
        "cycle_finished",
    ]
    cycles = [entry for entry in logged if entry["event"] == "cycle_finished"]
    assert ["decided_hold" in cycle for cycle in cycles] == [True, True, False, False]
    assert [(refused, total) for _, refused, total in seen] == [(0, 0), (1, 1), (0, 1)]
    assert seen[0][0] == seen[2][0] == ""
    assert "(1 fault, the first in policy.yaml:3:76). The previous policy stays in effect" in seen[1][0]

    rows = json.loads(await say("decisions", "--policies", "--ledger", settings["ledger"], "--output", "json"))
    where = [(row["refused"] or "").partition(": ")[0] for row in rows]
    assert where == ["", "policy.yaml:3:76", "", "policy.yaml:3:76"]
    digests = [row["digest"] for row in rows]
    assert (digests[0], digests[2]) == (digests[1], digests[3])
    assert digests[0] != digests[2]
    assert [list(row["files"]) for row in rows] == [["policy.yaml"], [], ["policy.yaml"], []]
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    in_words = await say("decisions", "--policies", "--ledger", settings["ledger"])
    assert "4 revisions." in in_words
    assert "did you mean `reject`?" in in_words

    found = {finding.check: finding async for finding in examine(load_accounts(**settings))}
    assert found["policy in force"].state is found["policy"].state is State.PROBLEM
    assert "stays in effect:\npolicy.yaml:3:76" in found["policy in force"].found
    write(policy, HOLD)
    found = {finding.check: finding async for finding in examine(load_accounts(**settings))}
    assert found["policy"].state is State.OK


async def test_doctor_says_whether_the_folder_holds_what_is_in_force(simulate, said, tmp_path):
    """A running program that reads another folder than the one that was edited takes nothing over."""
    simulator = await simulate(clock=utc_now)
    settings = said(simulator)
    await run_until(settings)

    async def found() -> State:
        return {each.check: each.state async for each in examine(load_accounts(**settings))}["policy in force"]

    assert await found() is State.OK
    write(tmp_path / "policy" / "policy.yaml", REJECT)
    assert await found() is State.WARNING
