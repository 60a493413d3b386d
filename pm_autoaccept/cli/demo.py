"""The `demo` command: run the daemon on a simulated Portfolio Manager, and print what it does."""

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

_MIN_WIDTH_FOR_NAMES = 100
"""Characters of a terminal line that has room for the name of what is requested."""

_ENDINGS = ("accepted", "rejected", "held")
_REQUESTS_PER_ENDING = 3
"""How many requests with each ending are printed; endings in this order."""

MAX_CYCLES = 5
"""The demo ends when a cycle has nothing more to answer, usually after the second."""


@click.command(cls=Command)
@click.option("--seed", type=int, default=7, show_default=True, help="Seed the random world.")
@click.option(
    "--pending",
    type=click.IntRange(1, 2_000),
    default=200,
    show_default=True,
    help="Create this many pending requests.",
)
@click.option("--all", "every", is_flag=True, help="Print every request as it is decided and answered.")
@options.ledger
@options.output
def demo(*, seed: int, pending: int, every: bool, ledger: str | None, output: str) -> int:
    """Start a simulated Portfolio Manager with pending requests, and answer them by the utility's example policy.

    Nothing outside this machine is contacted.
    """
    from pm_autoaccept.cli.support.runner import run_to_end

    async def work(stop: Stop) -> int:
        address = ledger or _new_ledger()
        return await _demo(stop, seed=seed, pending=pending, every=every, ledger=address, output=output)

    return run_to_end(work)


def _new_ledger() -> str:
    """A new ledger for each demo, because a ledger belongs to one account and each demo has its own."""
    from pathlib import Path
    from tempfile import mkdtemp

    return f"sqlite:///{Path(mkdtemp(prefix='pm-autoaccept-demo-')) / 'ledger.db'}"


async def _demo(stop: Stop, *, seed: int, pending: int, every: bool, ledger: str, output: str) -> int:
    from contextlib import AsyncExitStack

    from pydantic import SecretStr
    from rich.progress import Progress

    from pm_autoaccept.account import ActivePolicy, build_cycle
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
                opened = await SqlLedger.open(ledger)
                stack.push_async_callback(opened.close)
                policy = await ActivePolicy.load(settings)
                session = await stack.enter_async_context(sign_in(settings, opened))
                cycle = build_cycle(
                    session, settings, policy, blocked_reason=stop.blocked_reason, on_receipt=story.on_receipt
                )
                story.begin(cycle, seed=seed, pending=pending)
                cycles = 0
                while not stop.requested.is_set() and cycles < MAX_CYCLES:
                    planned = await cycle.look()
                    cycles += 1
                    story.on_plan(planned, first=cycles == 1)
                    missed = any(each.reason.kind is ReasonKind.MISSED_ONCE for each in planned.decisions)
                    if not planned.steps and not missed:
                        break
                    await cycle.answer(planned)
                rows = await cycle.ledger.decisions()
        story.print_selection()
    _print_end(out, rows, ledger=redact_url(ledger), seed=seed, cycles=cycles, output=output)
    return 0


class _Story:
    """Prints a few requests with each ending at the end, or every request as it happens."""

    def __init__(self, out: Console, progress: Progress, bar: TaskID, *, every: bool) -> None:
        self._out, self._progress, self._bar, self._every = out, progress, bar, every
        self._lines: dict[str, list[tuple[str | None, Text]]] = {}
        """Ending → the rule and the printed line of each request with it."""

    def begin(self, cycle: Cycle, *, seed: int, pending: int) -> None:
        """Print the headline, the number of pending requests, and the policy."""
        from rich.text import Text

        rows = {name: getattr(table, "rows", None) for name, table in cycle.tables.items()}
        data = ", ".join(f"{name} ({count} rows)" for name, count in rows.items())
        self._out.print(Text("A utility's morning, on a simulated Portfolio Manager", style="bold"))
        self._out.print(
            f"{pending} pending requests (seed {seed}). Policy: policies/utility, {len(cycle.policy.rules)} rules. "
            f"Data: {data}."
        )
        self._out.print()

    def on_plan(self, planned: Plan, *, first: bool) -> None:
        """Print what a read found: at first each request that is held or kept back, later only how many are left."""
        self._progress.update(self._bar, total=len(planned.steps), completed=0)
        if not first:
            if not self._every:
                return
            left, more = len(planned.decisions), len(planned.steps)
            self._out.print()
            self._out.print(f"Next cycle: {left} still pending, {more or 'none'} of them can be answered now.")
            return
        why = {kept.decision.key: kept.reason.text for kept in planned.kept_back}
        sent = {step.key for step in planned.steps}
        for decision in planned.decisions:
            if decision.key in why:
                self._line(decision, "kept back", why[decision.key])
            elif decision.key not in sent:
                self._line(decision, "held", decision.reason.text)

    def on_receipt(self, receipt: Receipt) -> None:
        """Print an answer, or why it was not sent."""
        from pm_autoaccept.model import Action, Outcome

        self._progress.advance(self._bar)
        if receipt.outcome is Outcome.DONE:
            word = "accepted" if receipt.step.action is Action.ACCEPT else "rejected"
            note = receipt.step.decision.note
            self._line(receipt.step.decision, word, f"“{note}”" if note else receipt.step.decision.reason.text)
        else:
            self._line(receipt.step.decision, str(receipt.outcome or "not sent").replace("_", " "), receipt.text)

    def _line(self, decision: Decision, word: str, why: str) -> None:
        """Add one line: the ending, the request, its owner, the rule and the reason."""
        from rich.text import Text

        from pm_autoaccept.cli.output.tables import COLORS
        from pm_autoaccept.telemetry.terminal import printable

        line = Text()
        line.append(f"{word:<9}  ", style=COLORS.get(word, ""))
        line.append(f"{decision.key!s:<18}  ")
        if self._out.width >= _MIN_WIDTH_FOR_NAMES:
            line.append(f"{printable(_what(decision.request)):<22.22}  ")
        line.append(f"{printable(decision.request.username or ''):<16.16}  ")
        rule = decision.rule or "no rule"
        if rule not in why.lower():
            line.append(f"{rule}: ", style="dim")
        line.append(printable(why))
        self._lines.setdefault(word, []).append((decision.rule, line))
        if self._every:
            self._print(line)

    def _print(self, line: Text) -> None:
        self._out.print(line, no_wrap=True, overflow="ellipsis", crop=self._out.is_terminal)

    def print_selection(self) -> None:
        """Print a few requests with each ending, by different rules if possible; nothing if all were printed."""
        from rich.text import Text

        if self._every:
            return
        for word in [*(each for each in _ENDINGS if each in self._lines), *(set(self._lines) - set(_ENDINGS))]:
            lines = self._lines[word]
            by_rule: dict[str | None, Text] = {}
            for rule, line in lines:
                by_rule.setdefault(rule, line)
            few = [*by_rule.values(), *(line for _, line in lines if line not in by_rule.values())][
                :_REQUESTS_PER_ENDING
            ]
            for line in few:
                self._print(line)
            if more := len(lines) - len(few):
                self._out.print(Text(f"{'':<9}  and {more} more {word}", style="dim"))


def _what(request: PendingRequest) -> str:
    """The name of what is requested, in the customer's own words."""
    if request.meter_info is not None:
        name = request.meter_info.name
    elif request.property_info is not None:
        name = request.property_info.name
    else:
        name = request.account_info.organization if request.account_info else None
    return name or "(no name)"


def _print_end(out: Console, rows: Sequence[DecisionRow], *, ledger: str, seed: int, cycles: int, output: str) -> None:
    """Print the summary, from the ledger alone, and what to try next."""
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
    out.print(Text("Terms", style="bold"))
    out.print("held        held for review: the policy leaves it to people, or a fact that it needs is unknown")
    out.print("kept back   decided, but the answer would also affect a request that is not decided")
    out.print("fallen      rejected together with its connection or property")
    out.print()
    out.print(Text("Next steps", style="bold"))
    out.print(f"The ledger has every decision with its evidence and outcome: {ledger}")
    out.print(f"  pm-autoaccept decisions --ledger {ledger}", soft_wrap=True)
    if held is not None:
        out.print(f"  pm-autoaccept decisions --ledger {ledger} --verdict hold", soft_wrap=True)
    out.print(f"  pm-autoaccept demo --all --seed {seed}    print every request as it is decided and answered")
    out.print(f"  pm-autoaccept demo --seed {seed + 1}")
    out.print("  pm-autoaccept simulate --pending 50    run the simulator for your own tests")
