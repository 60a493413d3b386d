"""A small automaton: which texts lead through the parts of a pattern, by characters and length alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import TypeAlias

from pm_autoaccept.policy.custom_fields.characters import Characters, common

LARGEST = 3_000
"""States of one automaton; what needs more is not looked into."""

Fragment: TypeAlias = Callable[["Automaton", int], int]
"""A part of a pattern: adds itself to an automaton after one state, and says in which state it ends."""


class NotUnderstood(Exception):
    """The pattern has something of which this module knows nothing."""


@dataclass(slots=True)
class Automaton:
    """States, numbered from 0, and what leads from each to others: characters, nothing, or an anchor."""

    read: list[list[tuple[Characters, int]]] = field(default_factory=list)
    free: list[list[tuple[str, int]]] = field(default_factory=list)
    """What leads on without a character: always (""), only at the start ("^"), only at the end ("$")."""

    def state(self) -> int:
        """A new state."""
        if len(self.read) == LARGEST:
            raise NotUnderstood
        self.read.append([])
        self.free.append([])
        return len(self.read) - 1

    def link(self, begin: int, end: int, anchor: str = "") -> None:
        """Lead from one state to another without a character."""
        self.free[begin].append((anchor, end))

    def reaches(self, end: int, *, allowed: Characters, shortest: int, longest: int | None) -> bool:
        """Whether a text of such characters and length leads from state 0 to this one."""
        states = frozenset({0})
        seen = set[frozenset[int]]()
        for length in count():
            start = "^" if length == 0 else ""
            if length >= shortest:
                if end in self._from(states, {"", start, "$"}):
                    return True
                if states in seen:
                    return False
                seen.add(states)
            if length == longest:
                return False
            here = self._from(states, {"", start})
            states = frozenset(
                follows for state in here for wanted, follows in self.read[state] if common(wanted, allowed)
            )
            if not states:
                return False
        raise AssertionError  # lengths do not end

    def _from(self, states: Iterable[int], anchors: set[str]) -> set[int]:
        """These states, and those to which they lead without a character."""
        found = set(states)
        left = list(found)
        while left:
            for anchor, follows in self.free[left.pop()]:
                if anchor in anchors and follows not in found:
                    found.add(follows)
                    left.append(follows)
        return found


def reading(wanted: Characters) -> Fragment:
    """One of these characters."""

    def add(automaton: Automaton, begin: int) -> int:
        end = automaton.state()
        automaton.read[begin].append((wanted, end))
        return end

    return add


def at(anchor: str) -> Fragment:
    """The start (`^`) or the end (`$`) of the text."""

    def add(automaton: Automaton, begin: int) -> int:
        end = automaton.state()
        automaton.link(begin, end, anchor)
        return end

    return add


def one_after_another(parts: Iterable[Fragment]) -> Fragment:
    """All of them, in order."""
    parts = tuple(parts)

    def add(automaton: Automaton, begin: int) -> int:
        for part in parts:
            begin = part(automaton, begin)
        return begin

    return add


def one_of(parts: Iterable[Fragment]) -> Fragment:
    """Any one of them."""
    parts = tuple(parts)

    def add(automaton: Automaton, begin: int) -> int:
        end = automaton.state()
        for part in parts:
            automaton.link(part(automaton, begin), end)
        return end

    return add


def repeated(part: Fragment, least: int, most: int | None) -> Fragment:
    """The part so many times; None is without end."""

    def add(automaton: Automaton, begin: int) -> int:
        for _ in range(least):
            begin = part(automaton, begin)
        end = automaton.state()
        automaton.link(begin, end)
        if most is None:
            automaton.link(part(automaton, end), end)
            return end
        for _ in range(most - least):
            begin = part(automaton, begin)
            automaton.link(begin, end)
        return end

    return add
