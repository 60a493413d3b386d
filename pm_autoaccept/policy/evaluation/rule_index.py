"""Index of rules by the values they require, so that a policy with thousands of rules decides quickly.

Most rules of a long policy name an account, a number or a domain. Such a rule can match only requests with that value,
so it is evaluated only for those, and where the value is unknown. All other rules are evaluated in order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy.evaluation.compiled import Asked, AskedGroup, Decides, Necessary
from pm_autoaccept.policy.evaluation.compiler import Preparation
from pm_autoaccept.policy.evaluation.request_view import Reading, View
from pm_autoaccept.policy.rules import Rule
from pm_autoaccept.policy.values import Value

Places = tuple[int, ...]
"""Positions of rules in the order."""


@dataclass(frozen=True, slots=True)
class AskedRule:
    """A rule with its compiled conditions and `until`."""

    rule: Rule
    when: Asked

    @classmethod
    def of(cls, rule: Rule, preparation: Preparation) -> AskedRule:
        """Compile a rule."""
        when = preparation.of(rule.when)
        if rule.until is not None:
            when = AskedGroup.of((when, preparation.until(rule.until)), every=True)
        return cls(rule, when)


Named = tuple[Reading, Mapping[Value, Places], Places]
"""A reading; value → the rules that require it; and all of these rules, which may all be unknown if the value is."""


@dataclass(frozen=True, slots=True)
class Search:
    """The index of the rules for one kind of request.

    Attributes:
        rules: in order.
        asks: evaluates each of them.
        always: the positions of rules that are evaluated for every request.
        named: the positions of the other rules, by value.
    """

    rules: tuple[AskedRule, ...]
    asks: tuple[Decides, ...]
    always: Places
    named: tuple[Named, ...]

    @classmethod
    def among(cls, rules: Iterable[AskedRule]) -> Search:
        """Build the index of these rules."""
        rules = tuple(rules)
        chosen = _chosen([rule.when.necessary for rule in rules])
        found: dict[Reading, dict[Value, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, necessary in enumerate(chosen):
            for reading, value in necessary or ():
                found[reading][value].append(place)
        return cls(
            rules,
            tuple(rule.when.came for rule in rules),
            tuple(place for place, necessary in enumerate(chosen) if necessary is None),
            tuple(
                (reading, {value: tuple(places) for value, places in by_value.items()}, _all_of(by_value.values()))
                for reading, by_value in found.items()
            ),
        )

    def first(self, view: View) -> tuple[AskedRule | None, tuple[AskedRule, ...]]:
        """The first enforced rule that is not false, or None; and the rules with `enforce: false` before it."""
        passed: tuple[AskedRule, ...] = ()
        asks = self.asks
        for place in self._places(view):
            if asks[place](view) is not False:
                rule = self.rules[place]
                if rule.rule.enforce:
                    return rule, passed
                passed += (rule,)
        return None, passed

    def _places(self, view: View) -> Iterable[int]:
        """The positions of the rules that may not be false, in order."""
        found: Places = ()
        for reading, by_value, every in self.named:
            # No rule has been evaluated yet. A value that no rule names need not be cached.
            value = reading.find(view)
            places = by_value.get(value)
            if places is None:
                if not isinstance(value, NotLearnt):
                    continue
                places = every
            view[reading] = value
            found += places
        return sorted({*self.always, *found}) if found else self.always


def _all_of(places: Iterable[Sequence[int]]) -> Places:
    return tuple(sorted({place for each in places for place in each}))


def _chosen(necessary: Sequence[tuple[Necessary, ...]]) -> Sequence[Necessary | None]:
    """For each rule, the required values that the fewest rules share; None if it requires none."""
    named = Counter(pair for each in necessary for pairs in each for pair in pairs)

    def crowd(pairs: Necessary) -> int:
        return sum(named[pair] for pair in pairs)

    return [min(each, key=crowd, default=None) for each in necessary]
