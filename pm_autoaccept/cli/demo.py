"""`demo`: the daemon at work on a simulated Portfolio Manager, told as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pm_autoaccept.cli.support import options
from pm_autoaccept.cli.support.help_page import Command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.text import Text

    from pm_autoaccept.cycle import Cycle
    from pm_autoaccept.daemon import Stop
    from pm_autoaccept.model import Decision, PendingRequest, Plan, Receipt
    from pm_autoaccept.record import DecisionRow

_ROOM_FOR_NAMES = 100
"""Columns of a terminal on which there is room for what is asked for, beside the rule and the reason."""

_FIRST = ("accepted", "rejected", "held")
_A_FEW = 3
"""So many requests of each kind are told of, in this order."""

MOST_CYCLES = 5
"""The demo ends when a cycle finds nothing more to answer, after the second as a rule."""


@click.command(cls=Command)
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed makes another world.")
@click.option("--pending", type=click.IntRange(1, 2_000), default=200, show_default=True, help="Requests that pend.")
@click.option("--all", "every", is_flag=True, help="Tell of every request, as it is decided and answered.")
@options.ledger
@options.output
def demo(*, seed: int, pending: int, every: bool, ledger: str | None, output: str) -> int:
    """Start a simulated Portfolio Manager with requests waiting, and answer them by the utility's example policy.

    Nothing outside this machine is asked or told.
    """
    from pm_autoaccept.cli.support.runner import run_gently

    async def work(stop: Stop) -> int:
        kept = ledger or _new_ledger()
        return await _demo(stop, seed=seed, pending=pending, every=every, ledger=kept, output=output)

    return run_gently(work)


def _new_ledger() -> str:
    """A ledger of its own for each demo: a ledger belongs to one account, and each demo makes its own."""
    from pathlib import Path
    from tempfile import mkdtemp

    return f"sqlite:///{Path(mkdtemp(prefix='pm-autoaccept-demo-')) / 'ledger.db'}"


async def _demo(stop: Stop, *, seed: int, pending: int, every: bool, ledger: str, output: str) -> int:
    from contextlib import AsyncExitStack

    from pydantic import SecretStr
    from rich.progress import Progress

    from pm_autoaccept.account import PolicyInForce, cycle_of
    from pm_autoaccept.cli.output.tables import console
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.config import Settings
    from pm_autoaccept.data_sources import example_policy
    from pm_autoaccept.ledger import SqlLedger
    from pm_autoaccept.model import Mode, ReasonKind
    from pm_autoaccept.redaction import redact_url
    from pm_autoaccept.sign_in import sign_in
    from pm_autoaccept.simulator import Simulator, world_from_seed

    out = console(stderr=output == "json")
    world = world_from_seed(seed=seed, pending=pending, now=utc_now())
    async with Simulator(world) as simulator:
        settings = Settings(
            service=simulator.url,
            username=simulator.username,
            password=SecretStr(simulator.password),
            policy=example_policy("utility"),
            ledger=ledger,
            mode=Mode.ENFORCE,
            in_flight=8,
            rate=None,
        )
        with Progress(console=out, transient=True, disable=not out.is_terminal) as progress:
            story = _Story(out, progress, progress.add_task("answering", total=None), every=every)
            async with AsyncExitStack() as stack:
                kept = await SqlLedger.open(ledger)
                stack.push_async_callback(kept.close)
                in_force = await PolicyInForce.load(settings)
                session = await stack.enter_async_context(sign_in(settings, kept))
                cycle = cycle_of(
                    session, settings, in_force, blocked_reason=stop.blocked_reason, on_receipt=story.tell_receipt
                )
                story.begin(cycle, seed=seed, pending=pending)
                cycles = 0
                while not stop.asked.is_set() and cycles < MOST_CYCLES:
                    planned = await cycle.look()
                    cycles += 1
                    story.tell_look(planned, first=cycles == 1)
                    missed = any(each.reason.kind is ReasonKind.MISSED_ONCE for each in planned.decisions)
                    if not planned.steps and not missed:
                        break
                    await cycle.answer(planned)
                rows = await cycle.ledger.decisions()
        story.end()
    _end(out, rows, ledger=redact_url(ledger), seed=seed, cycles=cycles, output=output)
    return 0


class _Story:
    """Tells a few of each kind at the end, or everything while it happens."""

    def __init__(self, out: Console, progress: Progress, bar: TaskID, *, every: bool) -> None:
        self._out, self._progress, self._bar, self._every = out, progress, bar, every
        self._told: dict[str, list[tuple[str | None, Text]]] = {}
        """How it ended → the rule and the line of each request that ended so."""

    def begin(self, cycle: Cycle, *, seed: int, pending: int) -> None:
        """Say where we are and what waits."""
        from rich.text import Text

        rows = {name: getattr(table, "rows", None) for name, table in cycle.tables.items()}
        data = ", ".join(f"{name} ({count} rows)" for name, count in rows.items())
        self._out.print(Text("A utility's morning, on a simulated Portfolio Manager", style="bold"))
        self._out.print(
            f"{pending} customers' requests wait (seed {seed}). The policy is policies/utility: "
            f"{len(cycle.policy.rules)} rules; its data: {data}."
        )
        self._out.print()

    def tell_look(self, planned: Plan, *, first: bool) -> None:
        """Say what a look found: first each request that is held or kept back, later only how many are left."""
        self._progress.update(self._bar, total=len(planned.steps), completed=0)
        if not first:
            if not self._every:
                return
            left, more = len(planned.decisions), len(planned.steps)
            self._out.print()
            self._out.print(f"The next look: {left} still pend, {more or 'none'} of them can be answered now.")
            return
        why = {kept.decision.key: kept.reason.text for kept in planned.kept_back}
        sent = {step.key for step in planned.steps}
        for decision in planned.decisions:
            if decision.key in why:
                self._line(decision, "kept back", why[decision.key])
            elif decision.key not in sent:
                self._line(decision, "held", decision.reason.text)

    def tell_receipt(self, receipt: Receipt) -> None:
        """Say what was answered, or why it was not."""
        from pm_autoaccept.model import Action, Outcome

        self._progress.advance(self._bar)
        if receipt.outcome is Outcome.DONE:
            word = "accepted" if receipt.step.action is Action.ACCEPT else "rejected"
            note = receipt.step.decision.note
            self._line(receipt.step.decision, word, f"“{note}”" if note else receipt.step.decision.reason.text)
        else:
            self._line(receipt.step.decision, str(receipt.outcome or "not sent").replace("_", " "), receipt.text)

    def _line(self, decision: Decision, word: str, why: str) -> None:
        """One line: what became of it, the request, its owner, the rule, and why."""
        from rich.text import Text

        from pm_autoaccept.cli.output.tables import COLOURS
        from pm_autoaccept.telemetry.terminal import printable

        line = Text()
        line.append(f"{word:<9}  ", style=COLOURS.get(word, ""))
        line.append(f"{decision.key!s:<18}  ")
        if self._out.width >= _ROOM_FOR_NAMES:
            line.append(f"{printable(_what(decision.request)):<22.22}  ")
        line.append(f"{printable(decision.request.username or ''):<16.16}  ")
        rule = decision.rule or "no rule"
        if rule not in why.lower():
            line.append(f"{rule}: ", style="dim")
        line.append(printable(why))
        self._told.setdefault(word, []).append((decision.rule, line))
        if self._every:
            self._print(line)

    def _print(self, line: Text) -> None:
        self._out.print(line, no_wrap=True, overflow="ellipsis", crop=self._out.is_terminal)

    def end(self) -> None:
        """Tell of a few requests of each kind, each by another rule where there are several; nothing if all is told."""
        from rich.text import Text

        if self._every:
            return
        for word in [*(each for each in _FIRST if each in self._told), *(set(self._told) - set(_FIRST))]:
            told = self._told[word]
            by_rule: dict[str | None, Text] = {}
            for rule, line in told:
                by_rule.setdefault(rule, line)
            few = [*by_rule.values(), *(line for _, line in told if line not in by_rule.values())][:_A_FEW]
            for line in few:
                self._print(line)
            if more := len(told) - len(few):
                self._out.print(Text(f"{'':<9}  and {more} more {word}", style="dim"))


def _what(request: PendingRequest) -> str:
    """What is asked for, in the customer's own words."""
    if request.meter_info is not None:
        name = request.meter_info.name
    elif request.property_info is not None:
        name = request.property_info.name
    else:
        name = request.account_info.organization if request.account_info else None
    return name or "(no name)"


def _end(out: Console, rows: Sequence[DecisionRow], *, ledger: str, seed: int, cycles: int, output: str) -> None:
    """Sum up, from the ledger alone, and say what to try next."""
    from rich.text import Text

    from pm_autoaccept.cli.output.json_rows import print_json
    from pm_autoaccept.cli.output.summary import print_summary, summarize

    summary = summarize(rows)
    if output == "json":
        print_json({"seed": seed, "cycles": cycles, "ledger": ledger, "requests": len(rows), "summary": summary})
        return
    out.print()
    print_summary(out, summary)
    held = next((row for row in rows if row.outcome is None), None)
    out.print(Text("What the words mean", style="bold"))
    out.print("held        the policy leaves it to people, or something it needs is not known")
    out.print("kept back   decided, but answering it would have carried along what was not")
    out.print("fallen      rejected along with the connection or property above it")
    out.print()
    out.print(Text("Where to look next", style="bold"))
    out.print(f"The ledger has every decision, its evidence, and what came of it: {ledger}")
    out.print(f"  pm-autoaccept decisions --ledger {ledger}", soft_wrap=True)
    if held is not None:
        out.print(f"  pm-autoaccept decisions --ledger {ledger} --verdict hold", soft_wrap=True)
    out.print(f"  pm-autoaccept demo --all --seed {seed}    every request, as it is decided and answered")
    out.print(f"  pm-autoaccept demo --seed {seed + 1}")
    out.print("  pm-autoaccept simulate --pending 50    to try things on yourself")
