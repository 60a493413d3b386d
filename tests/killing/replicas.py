"""Several replicas on one PostgreSQL: killed, stopped for longer than a lease, cut off and restarted; then judged."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.acceptance.processes import PROGRAM, Served, environment, run
from tests.killing.customers import Customers
from tests.killing.harness import POLICY, spoil
from tests.killing.judge import LISTS, Verdict, judge
from tests.killing.proxy import Proxy
from tests.killing.takeovers import Takeovers

LEASE = 6.0
"""Seconds. A timeout of one second fits into it six times."""

SETTINGS = f"""mode: enforce
policy: {POLICY}
interval: 2s
timeout: 1s
unknown_wait: 3s
lease: {LEASE:g}s
rate: none
in_flight: 4
log_format: json
accounts:
"""

SLEPT, CUT = 2.0, 2.0
"""Leases for which a replica is stopped, or cut off from the database."""


@dataclass(slots=True)
class Replica:
    """One `run`, its way to the database, and what it has said."""

    number: int
    proxy: Proxy
    folder: Path
    settings: Path
    ledger: str
    process: subprocess.Popen[bytes] = field(init=False)
    ended: list[int] = field(default_factory=list)

    def begin(self) -> None:
        """Start it."""
        with self.said.open("ab") as stderr:
            self.process = subprocess.Popen(  # noqa: S603 — our own program
                [*PROGRAM, "run", "--settings", str(self.settings)],
                cwd=self.folder,
                env=environment(PM_AUTOACCEPT_LEDGER=self.ledger),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def end(self, number: signal.Signals) -> None:
        """Send it a signal, and wait for its end."""
        self.process.send_signal(number)
        self.ended.append(self.process.wait(timeout=60))

    @property
    def said(self) -> Path:
        """Its stderr."""
        return self.folder / f"replica-{self.number}.log"


@dataclass(slots=True)
class Account:
    """One provider account: its simulator, its customers, and how its world was in the beginning."""

    name: str
    served: Served
    customers: Customers
    before: Mapping[str, Any]
    since: int


@dataclass(slots=True, kw_only=True)
class Replicas:
    """One run of the harness.

    Attributes:
        folder: where the settings and the logs lie.
        uri: an empty database, by the server's socket.
        accounts, replicas: how many.
        pending: how many requests are asked in each account over the run.
        kills, freezes, cuts: how many replicas are killed, stopped, cut off.
    """

    folder: Path
    uri: str
    accounts: int
    pending: int
    kills: int
    freezes: int
    cuts: int
    replicas: int = 3
    seed: int = 7
    rate: float = 0.05
    tell: Callable[[str], None] = lambda _text: None
    done: Counter[str] = field(default_factory=Counter)
    died: list[str] = field(default_factory=list)
    takeovers: dict[str, float] = field(default_factory=dict)
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)  # noqa: S311 — reproducible dice, no secret

    def run(self) -> dict[str, Verdict]:
        """Do all that, settle, and judge each account."""
        with ExitStack() as stack:
            accounts = stack.enter_context(self._served())
            settings = self._settings(accounts)
            watch = stack.enter_context(Takeovers(self.uri))
            replicas = [self._replica(stack, number, settings) for number in range(self.replicas)]
            for replica in replicas:
                replica.begin()
            try:
                self._until(lambda: self._in_order(accounts, replicas, watch), accounts, share=0.0)
                # Whoever is killed during an account's very first signing in leaves 15 minutes' waiting behind.
                self._until(lambda: all(map(_is_read, accounts)), accounts, share=0.0)
                self._trouble(accounts, replicas, watch)
                verdicts = self._settled(accounts)
                for replica in replicas:
                    replica.end(signal.SIGTERM)
            finally:
                for replica in replicas:
                    replica.process.kill()
                    replica.process.wait()
            self.takeovers = watch.distribution(LEASE)
        self._look_at_the_ends(replicas)
        return verdicts

    @contextmanager
    def _served(self) -> Iterator[list[Account]]:
        """The simulators, in one process."""
        numbers = (str(each) for each in (self.accounts, self.pending, self.seed))
        with subprocess.Popen(  # noqa: S603 — our own program
            [sys.executable, "-m", "tests.killing.providers", *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
            env=environment(),
            text=True,
        ) as process:
            assert process.stdout is not None
            lines = json.loads(process.stdout.readline())
            yield [self._account(f"account-{number}", Served(**line)) for number, line in enumerate(lines)]
            process.communicate("")

    def _account(self, name: str, served: Served) -> Account:
        before = served.switchboard("world")
        customers = Customers(served, self._dice)
        customers.begin(self.pending // 5)
        since = len(served.switchboard("log"))
        spoil(served, rate=self.rate)
        return Account(name, served, customers, before, since)

    def _settings(self, accounts: list[Account]) -> Path:
        """One settings file for all replicas."""
        text = SETTINGS
        for each in accounts:
            secret = self.folder / f"{each.name}.secret"
            secret.write_text(each.served.password)
            text += f"  {each.name}:\n    service: {each.served.url}\n    username: {each.served.username}\n"
            text += f"    password_file: {secret}\n"
        path = self.folder / "settings.yaml"
        path.write_text(text)
        return path

    def _replica(self, stack: ExitStack, number: int, settings: Path) -> Replica:
        parts = urlsplit(self.uri)
        proxy = stack.enter_context(Proxy(f"{unquote(parse_qs(parts.query)['host'][0])}/.s.PGSQL.5432"))
        ledger = f"postgresql://{parts.username}@127.0.0.1:{proxy.port}{parts.path}"
        return Replica(number, proxy, self.folder, settings, ledger)

    def _trouble(self, accounts: list[Account], replicas: list[Replica], watch: Takeovers) -> None:
        """Kill, stop and cut off, in an order from the dice, while customers ask."""
        troubles = ["kill"] * self.kills + ["freeze"] * self.freezes + ["cut"] * self.cuts
        self._dice.shuffle(troubles)
        for number, trouble in enumerate(troubles):
            share = (number + 1) / len(troubles)
            self._pass_time(self._dice.uniform(0.5, 4.0), accounts, share)
            replica = self._dice.choice([each for each in replicas if each.process.pid in watch.held.values()])
            held = watch.lost(replica.process.pid)
            self.tell(f"{number + 1} of {len(troubles)}: {trouble} of replica {replica.number}, which holds {held}")
            if trouble == "kill":
                replica.end(signal.SIGKILL)
                self._pass_time(self._dice.uniform(0.0, 2 * LEASE), accounts, share)
                replica.begin()
            elif trouble == "freeze":
                replica.process.send_signal(signal.SIGSTOP)
                self._pass_time(SLEPT * LEASE, accounts, share)
                self.done["kept"] += watch.back(replica.process.pid)
                replica.process.send_signal(signal.SIGCONT)
            else:
                replica.proxy.cut()
                self._pass_time(CUT * LEASE, accounts, share)
                self.done["kept"] += watch.back(replica.process.pid)
                replica.proxy.mend()
            self.done[trouble] += 1
            self._until(lambda: self._in_order(accounts, replicas, watch), accounts, share)

    def _in_order(self, accounts: list[Account], replicas: list[Replica], watch: Takeovers) -> bool:
        """Whether every account is held, what was lost has been taken over, and every replica lives."""
        living = all(replica.process.pid in watch.alive for replica in replicas)
        return living and len(watch.held) == len(accounts) and not watch.waiting()

    def _pass_time(self, seconds: float, accounts: list[Account], share: float) -> None:
        end = time.monotonic() + seconds
        self._until(lambda: time.monotonic() >= end, accounts, share)

    def _until(self, over: Callable[[], bool], accounts: list[Account], share: float) -> None:
        """Let customers ask until something is so; it must be within two minutes."""
        end = time.monotonic() + 120
        while not over():
            assert time.monotonic() < end, "within two minutes not all was in order again"
            for each in accounts:
                if each.customers.asked < share * self.pending:
                    each.customers.ask(self._dice.randint(1, 5))
            time.sleep(0.1)

    def _settled(self, accounts: list[Account]) -> dict[str, Verdict]:
        """Let all be answered in peace, for as long as that may take."""
        for each in accounts:
            each.served.clear_faults()
            while each.customers.left:
                each.customers.ask(1000)
        verdicts: dict[str, Verdict] = {}
        for _ in range(30):
            time.sleep(3)
            verdicts = self._verdicts(accounts)
            wrong = sum(len(verdict.wrong) for verdict in verdicts.values())
            self.tell(f"settling: {wrong} still wrong")
            if not wrong:
                break
        return verdicts

    def _verdicts(self, accounts: list[Account]) -> dict[str, Verdict]:
        listed = run("decisions", "--output", "json", cwd=self.folder, PM_AUTOACCEPT_LEDGER=self.uri)
        assert listed.returncode == 0, listed.stderr
        rows: dict[str, list[Any]] = {each.name: [] for each in accounts}
        for row in json.loads(listed.stdout):
            rows[row["account"]].append(row)
        return {
            each.name: judge(
                before=each.before, log=each.served.switchboard("log"), rows=rows[each.name], since=each.since
            )
            for each in accounts
        }

    def _look_at_the_ends(self, replicas: list[Replica]) -> None:
        """Each ended by a signal that was sent, or gently in the end, and none with a traceback."""
        for replica in replicas:
            said = replica.said.read_text()
            if replica.ended.pop() != 0 or set(replica.ended) - {-signal.SIGKILL}:
                self.died.append(f"replica {replica.number} ended with {replica.ended}:\n{said[-3000:]}")
            if "Traceback" in said or "account_ended" in said:
                self.died.append(f"replica {replica.number} said:\n{said[said.find('Traceback') - 2000 :][:5000]}")


def _is_read(account: Account) -> bool:
    """Whether somebody has signed in to it."""
    return any(call["service"] in LISTS for call in account.served.switchboard(f"log?after={account.since}"))
