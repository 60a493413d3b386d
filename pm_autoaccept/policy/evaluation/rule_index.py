"""Finding the rule that decides, among very many, without asking each of them.

Most rules of a long policy name somebody: an account, a number, a domain. Such a rule cannot do without that value, so
it is asked only of requests that have it, or of which that could not be learnt. What is left is asked in order.
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
"""Where rules stand in the order."""


@dataclass(frozen=True, slots=True)
class AskedRule:
    """A rule, and what is asked of a request: its conditions, and that its last day has not passed."""

    rule: Rule
    when: Asked

    @classmethod
    def of(cls, rule: Rule, preparation: Preparation) -> AskedRule:
        """A rule, ready to be asked."""
        when = preparation.of(rule.when)
        if rule.until is not None:
            when = AskedGroup.of((when, preparation.until(rule.until)), every=True)
        return cls(rule, when)


Named = tuple[Reading, Mapping[Value, Places], Places]
"""A reading; value → the rules that cannot do without it; all of these rules: where it is not learnt, each may be
unknown."""


@dataclass(frozen=True, slots=True)
class Search:
    """The rules on one kind of request, in order.

    Attributes:
        asks: how each comes out.
        always: where those stand that are asked of every request.
    """

    rules: tuple[AskedRule, ...]
    asks: tuple[Decides, ...]
    always: Places
    named: tuple[Named, ...]

    @classmethod
    def among(cls, rules: Iterable[AskedRule]) -> Search:
        """What finds the first of these rules."""
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
        """The first rule that is not false and is enforced, None where there is none; those above it that are not."""
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
        """Where the rules stand that may not be false, in order."""
        found: Places = ()
        for reading, by_value, every in self.named:
            # No rule has been asked yet. Of what no rule names, the view need not know.
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
    """Of what each rule cannot do without, that which the fewest rules name; None where there is nothing."""
    named = Counter(pair for each in necessary for pairs in each for pair in pairs)

    def crowd(pairs: Necessary) -> int:
        return sum(named[pair] for pair in pairs)

    return [min(each, key=crowd, default=None) for each in necessary]
