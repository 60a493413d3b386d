"""Kills the program again and again while customers ask, until all that can be answered is answered; then judges."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.acceptance.processes import Served, run
from tests.killing.boundaries import IDLE, INSIDE, MAKING, OUTSIDE, PROCESSED, RECEIVED, Boundary, Step
from tests.killing.customers import Customers
from tests.killing.judge import Verdict, judge
from tests.killing.lives import Life, Lives

SHARES = {Step.START: 2, Step.READ: 3, Step.ANSWER: 6, Step.IDLE: 1}
"""Of twelve kills that are aimed at a boundary; every fifth one comes at random instead."""

SETTINGS = {
    "PM_AUTOACCEPT_INTERVAL": "1s",
    "PM_AUTOACCEPT_TIMEOUT": "1s",
    "PM_AUTOACCEPT_UNKNOWN_WAIT": "3s",
    "PM_AUTOACCEPT_MODE": "enforce",
    "PM_AUTOACCEPT_LOG_FORMAT": "json",
}
"""A simulator's times: a POST is processed at most two seconds after it came, so three are longer than any."""

FAULTS: tuple[tuple[float, Mapping[str, Any]], ...] = (
    (0.20, {"kind": "reset"}),
    (0.20, {"kind": "reset", "after": True}),
    (0.12, {"kind": "status", "status": 500}),
    (0.12, {"kind": "status", "status": 502, "after": True}),
    (0.12, {"kind": "truncated"}),
    (0.08, {"kind": "html", "status": 200, "after": True}),
    (0.06, {"kind": "status", "status": 429}),
    (0.05, {"kind": "delay", "seconds": 1.5}),
    (0.05, {"kind": "delay", "seconds": 1.5, "after": True}),
)
"""Each with its share of all faults."""

POLICY = Path(__file__).with_name("policy")

PATIENCE = 10.0
"""Seconds after which a life that does not pass its boundary is killed where it is; more in a large world."""


def spoil(served: Served, *, rate: float) -> None:
    """Let this share of the calls go wrong, in each of the ways by its own share."""
    for share, fault in FAULTS:
        served.switchboard("faults", {**fault, "rate": rate * share, "times": None})


@dataclass(slots=True, kw_only=True)
class Killing:
    """One run of the harness.

    Attributes:
        served: the simulator.
        folder: where the ledger and the log lie.
        kills: how many.
        pending: how many requests are asked over the run, those at the beginning included.
        rate: of injected faults.
        minutes: after which no more are killed, and what is left is asked and answered in peace.
    """

    served: Served
    folder: Path
    kills: int
    pending: int
    seed: int = 7
    rate: float = 0.05
    minutes: float = 600.0
    tell: Callable[[str], None] = lambda _text: None
    killed: Counter[str] = field(default_factory=Counter)
    died: list[str] = field(default_factory=list)
    _first: int = field(default=0, init=False)
    _dice: random.Random = field(init=False)
    _customers: Customers = field(init=False)
    _lives: Lives = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 — reproducible dice, no secret
        self._customers = Customers(self.served, self._dice)
        variables = SETTINGS | self.served.settings | {"PM_AUTOACCEPT_POLICY": str(POLICY)}
        # Whoever reads and decides very much at once is busy with it for seconds, and renews no lease meanwhile.
        self._lives = Lives(self.folder, variables | {"PM_AUTOACCEPT_LEASE": f"{2 + self.pending // 1000}s"})

    def run(self) -> Verdict:
        """Kill, settle, judge."""
        before = self.served.switchboard("world")
        self._customers.begin(max(40, self.pending // 20))
        self._first = self._customers.asked
        since = len(self.served.switchboard("log"))
        spoil(self.served, rate=self.rate)
        with self._lives.launcher():
            end = time.monotonic() + self.minutes * 60
            for number in range(self.kills):
                if time.monotonic() > end:
                    break
                self._kill_one(number)
                if number % 20 == 0:
                    self.tell(f"{number + 1} of {self.kills} killed, {self._customers.asked} asked: {self.by_step}")
            self.served.clear_faults()
            while self._customers.left:
                self._customers.ask(1000)
            return self._settled(before, since)

    @property
    def by_step(self) -> dict[str, int]:
        """How many were killed in start, read, answer and idle."""
        steps: Counter[str] = Counter()
        for name, count in self.killed.items():
            steps[name.partition(":")[0]] += count
        return dict(steps)

    @property
    def _patience(self) -> float:
        return PATIENCE + self.pending / 400

    def _kill_one(self, number: int) -> None:
        target = None if number % 5 == 4 else self._boundary(number)
        due = self._first + (self.pending - self._first) * (number + 1) // self.kills
        if number % 3 == 0:
            self._customers.change_their_minds()
        inside = target in INSIDE
        life = self._lives.begin(
            "run",
            boundary=target.name if inside and target is not None else None,
            nth=self._nth(target),
        )
        since = self._seen()
        if target in (RECEIVED, PROCESSED):
            late = {"kind": "delay", "after": target is PROCESSED, "service": "POST", "seconds": 1.5, "times": 1}
            self.served.switchboard("faults", late)
        until = time.monotonic() + (self._dice.uniform(0.2, 5.0) if target is None else self._patience)
        from_outside = False
        while not life.wait(0.05):
            if self._customers.asked < due:
                self._customers.ask(self._dice.randint(1, 12))
            if time.monotonic() > until or self._reached(target, life, since):
                from_outside = True
                life.kill()
        self._note(target, life, since, from_outside=from_outside)

    def _boundary(self, number: int) -> Boundary:
        if number == 0:
            return MAKING
        if number == 1:
            # Killed during the very first signing in, it would wait for 15 minutes: the password may be wrong.
            return next(each for each in INSIDE if each.step is Step.READ)
        step = self._dice.choices(list(SHARES), weights=list(SHARES.values()))[0]
        return self._dice.choice([each for each in (*INSIDE, *OUTSIDE) if each.step is step and each is not MAKING])

    def _nth(self, target: Boundary | None) -> int:
        """Which passing it dies at: later where each life has many requests to answer."""
        if target is None or target.most == 1:
            return 1
        return self._dice.randint(1, target.most * max(1, self.pending // self.kills // 8))

    def _seen(self) -> int:
        """The number of the last call."""
        return max((int(call["number"]) for call in self.served.switchboard("log?last=1")), default=0)

    def _reached(self, target: Boundary | None, life: Life, since: int) -> bool:
        """Whether what the harness itself must see has been seen; an aimed life that is idle twice is killed there."""
        if target in (RECEIVED, PROCESSED):
            # What is delayed came a moment ago.
            recent = self.served.switchboard("log?last=100")
            posts = [each for each in recent if each["number"] > since and each["fault"] == "delay"]
            posts = [each for each in posts if each["method"] == "POST"]
            if any(each["status"] is None and (each["processed"] is None) is (target is RECEIVED) for each in posts):
                return True
        finished = life.log().count("cycle_finished")
        return finished >= (1 if target is IDLE else 2)

    def _calls(self, since: int) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self.served.switchboard(f"log?after={since}")
        return calls

    def _note(self, target: Boundary | None, life: Life, since: int, *, from_outside: bool) -> None:
        """Count what was killed, at its boundary or where its life stood by the logs."""
        if life.code != -signal.SIGKILL:
            aim = target.name if target else "nothing"
            self.died.append(f"a life aimed at: {aim}, ended by itself with {life.code}:\n{life.log()[-3000:]}")
        elif target is not None and (target in OUTSIDE or not from_outside):
            self.killed[f"{target.step}: {target.name}"] += 1
        else:
            self.killed[f"{self._where(life, since)}: wherever it was"] += 1

    def _where(self, life: Life, since: int) -> Step:
        """What it was doing by its own last event and the last call that came."""
        events = [json.loads(line) for line in life.log().splitlines() if line.startswith("{") and line.endswith("}")]
        calls = [call for call in self._calls(since) if call["method"] != "ACT"]
        if not any(each["event"] == "signed_in" for each in events):
            return Step.START
        if calls and calls[-1]["method"] == "POST":
            return Step.ANSWER
        idle = events[-1]["event"] == "cycle_finished" and (not calls or calls[-1]["at"] < _moment(events[-1]))
        return Step.IDLE if idle else Step.READ

    def _settled(self, before: Mapping[str, Any], since: int) -> Verdict:
        """Let the program run in peace until nothing is wrong, for as long as that may take; then stop it gently."""
        life = self._lives.begin("run")
        verdict = Verdict()
        for _ in range(30 + self.pending // 200):
            if life.wait(3):
                break
            verdict = self._verdict(before, since)
            self.tell(f"settling: {len(verdict.wrong)} still wrong")
            if not verdict.wrong:
                break
        life.kill(signal.SIGTERM)
        if not life.wait(30) or life.code != 0:
            self.died.append(f"the last life ended with {life.code}:\n{life.log()[-3000:]}")
        return self._verdict(before, since)

    def _verdict(self, before: Mapping[str, Any], since: int) -> Verdict:
        rows = run("decisions", "--output", "json", cwd=self.folder)
        assert rows.returncode == 0, rows.stderr
        return judge(before=before, log=self.served.switchboard("log"), rows=json.loads(rows.stdout), since=since)


def _moment(event: Mapping[str, Any]) -> str:
    """When an event was logged, as the simulator's log writes times."""
    return datetime.fromisoformat(event["timestamp"]).isoformat()
