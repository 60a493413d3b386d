"""Time per decision at 10 to 10,000 rules, beside other engines and a generated chain of ifs; and time to load.

    python -m tests.bench.deciding [--rules 10 100 1000 10000] [--requests 48] [--rounds 15]

The policy is YAML that the real loader reads, the requests are the program's own; `rules_made` and `requests_made` say
what they are like, `engines` and `chain_of_ifs` what the others are given. All answer every request first, and all must
say the same. Then each takes turns with the program within one run; what counts is the median of the ratios of
neighbours. The time is that of the processor, in all threads. The slow ones (a second for all requests) take few turns.

The program is measured twice: `deciding` finds the rule, as the others do; a whole judgement is that and the evidence,
the reason and the rendered note, which the others do not have.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import click
import yaml

from pm_autoaccept.policy import Policy, load
from tests.bench.chain_of_ifs import chain_of
from tests.bench.engines import ENGINES
from tests.bench.requests_made import requests_made
from tests.bench.rules_made import MadeRule, files_made, rules_made

SLOW, FEW = 1.0, 3
"""Who needs so many seconds for one round of requests takes so few turns."""


@dataclass(frozen=True, slots=True)
class Side:
    """Somebody who decides: what is asked, and what it is given of each request."""

    name: str
    ask: Callable[[Any], str | None]
    given: Sequence[Any]

    def answers(self) -> list[str | None]:
        """What it says of each request."""
        return [self.ask(each) for each in self.given]

    def seconds(self, turns: int) -> float:
        """The time for one decision: the mean over all requests, so many times."""
        ask, given = self.ask, self.given
        begun = time.process_time()
        for _ in range(turns):
            for each in given:
                ask(each)
        return (time.process_time() - begun) / turns / len(given)


def sides(rules: Sequence[MadeRule], requests: int) -> tuple[Side, tuple[Side, ...]]:
    """The program, and who it is measured beside."""
    made = requests_made(rules, requests)
    own = [asked for asked, _ in made]
    policy = load(files_made(rules))
    chain = chain_of(rules)
    program = Side("deciding", partial(_decided, policy), own)
    others = [
        Side("the generated chain of ifs", lambda asked: chain(*asked), own),
        Side("a whole judgement", partial(_judged, policy), own),
    ]
    for engine in ENGINES:
        try:
            others.append(Side(engine.name, engine.takes(rules), [engine.given(values) for _, values in made]))
        except ModuleNotFoundError as error:
            click.echo(f"{engine.name} is not installed: {error}")
    return program, tuple(others)


def _decided(policy: Policy, asked: tuple[Any, Any]) -> str | None:
    rule = policy.deciding_rule(asked[0], asked[1], {})
    return None if rule is None else rule.id


def _judged(policy: Policy, asked: tuple[Any, Any]) -> str | None:
    return policy.judge(asked[0], asked[1], {}).rule


def beside(program: Side, other: Side, rounds: int) -> str:
    """Let two take turns: what to print of it."""
    once = other.seconds(1) * len(other.given)
    rounds = min(rounds, FEW) if once > SLOW else rounds
    turns, own_turns = (max(1, round(0.005 / each)) for each in (once, program.seconds(1) * len(program.given)))
    ours, theirs = [], []
    for number in range(rounds):
        if number % 2:
            ours.append(program.seconds(own_turns))
        theirs.append(other.seconds(turns))
        if not number % 2:
            ours.append(program.seconds(own_turns))
    ratio = statistics.median(their / our for our, their in zip(ours, theirs, strict=True))
    few = f"   ({rounds} rounds)" if rounds == FEW else ""
    their, our = (statistics.median(each) * 1e6 for each in (theirs, ours))
    return f"{other.name:30} {their:12,.1f} µs   deciding {our:8,.1f} µs   ratio {ratio:10,.2f}{few}"


def measure(count: int, *, requests: int, rounds: int) -> Side:
    """Compare the answers at so many rules, then the times. Returns the program at that size."""
    program, others = sides(rules_made(count), requests)
    said = program.answers()
    for other in others:
        assert other.answers() == said, f"{other.name} answers otherwise"
    undecided = said.count(None)
    click.echo(
        f"\n{count:,} rules, {requests} requests ({undecided} of which no rule is true), the same answers by all"
    )
    gc.collect()
    gc.freeze()
    for other in others:
        click.echo(f"  {beside(program, other, rounds)}")
    return program


def growing(programs: Mapping[int, Side], rounds: int) -> None:
    """How the program's own time grows with the rules, all sizes taking turns."""
    took: dict[int, list[float]] = {count: [] for count in programs}
    for _ in range(rounds):
        for count, program in programs.items():
            took[count].append(program.seconds(max(1, round(0.005 / (program.seconds(1) * len(program.given))))))
    click.echo()
    for count, each in took.items():
        first = min(programs)
        ratio = statistics.median(more / less for more, less in zip(each, took[first], strict=True))
        told = f"{statistics.median(each) * 1e6:8,.1f} µs, {ratio:6.2f} times what {first:,} take"
        hundred = [more / less for more, less in zip(each, took.get(100, each), strict=True)]
        click.echo(f"{count:6,} rules: {told}, {statistics.median(hundred):6.2f} times what 100 take")


def loading(count: int, rounds: int) -> None:
    """Load so many rules, and let yaml.CSafeLoader read the same text."""
    files = files_made(rules_made(count))
    size = sum(map(len, files.values()))

    def by_yaml(files: Mapping[str, bytes]) -> object:
        return [yaml.load(text, Loader=yaml.CSafeLoader) for text in files.values()]

    took: dict[Callable[[Mapping[str, bytes]], object], list[float]] = {load: [], by_yaml: []}
    for number in range(rounds):
        for side in list(took)[:: 1 if number % 2 else -1]:
            begun = time.process_time()
            side(files)
            took[side].append(time.process_time() - begun)
    ratio = statistics.median(ours / bare for ours, bare in zip(took[load], took[by_yaml], strict=True))
    ours, bare = (statistics.median(each) for each in took.values())
    click.echo(
        f"\nloading {count:,} rules ({size:,} bytes in {len(files)} files, {rounds} rounds): "
        f"the program {ours:.2f} s, yaml.CSafeLoader {bare:.2f} s, ratio {ratio:.2f}"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rules", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--requests", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=15)
    said = parser.parse_args()
    click.echo(f"load of the machine: {os.getloadavg()[0]:.1f} over {os.cpu_count()} cores")
    programs = {count: measure(count, requests=said.requests, rounds=said.rounds) for count in said.rules}
    growing(programs, said.rounds)
    loading(max(said.rules), FEW)
    click.echo(f"load of the machine: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
