"""Policies, drawn as the text that people would write, so that the real loader reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import strategies as st

from pm_autoaccept.model import Action, Kind, Limit, Verdict
from tests.property.small_worlds import BAD, FIELDS, GOOD, OTHER

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class MadeRule:
    """One rule as it was drawn. `when` are the lines of its conditions; none of them means `always`."""

    kind: Kind
    when: tuple[str, ...]
    then: Verdict
    note: bool

    @property
    def says_none(self) -> bool:
        """Whether it tests `property.share: none` in so many words."""
        return any("property.share: none" in line or "property.share: [none" in line for line in self.when)

    def written(self, id_: str) -> str:
        """The rule in the policy language."""
        lines = [f"  - id: {id_}", f"    on: {self.kind}"]
        if self.when:
            lines += ["    when:", *(f"      {line}" for line in self.when)]
        else:
            lines.append("    when: always")
        lines.append(f"    then: {self.then}")
        if self.then is Verdict.ACCEPT:
            lines.append("    i_accept_everyone: true")
        if self.note:
            lines.append(f"    note: '{id_} on {{id}}'")
        return "\n".join(lines)


def not_twice(kind: Kind) -> MadeRule:
    """The rule that holds what another owner has said too."""
    return MadeRule(kind, (f"custom.{FIELDS[kind]}: {{taken: true}}",), Verdict.HOLD, note=False)


@dataclass(frozen=True, slots=True)
class MadePolicy:
    """A policy as it was drawn."""

    rules: tuple[MadeRule, ...]
    default: Verdict

    @property
    def by_id(self) -> Mapping[str, MadeRule]:
        """Its rules by their ids."""
        return {f"rule-{number}": rule for number, rule in enumerate(self.rules, start=1)}

    def holds_twice(self, kind: Kind) -> bool:
        """Whether nothing of this kind is accepted that another owner has said too."""
        return next((rule for rule in self.rules if rule.kind is kind), None) == not_twice(kind)

    @property
    def text(self) -> str:
        """The one file of its folder."""
        written = [rule.written(id_) for id_, rule in self.by_id.items()]
        lines = ["version: 1", "rules:", *written]
        if self.default is not Verdict.HOLD:
            accepts = ", i_accept_everyone: true" if self.default is Verdict.ACCEPT else ""
            lines.append(f"default: {{then: {self.default}{accepts}}}")
        return "\n".join(lines) + "\n"


SHARE_TESTS = (
    "custom.Service Point: {present: true}",
    "property.share: shared",
    "property.share: pending",
    "property.share: none",
    "property.share: none",
    "property.share: [none, pending]",
    "any: [{property.share: none}, {property.share: shared}]",
    "not: {property.share: [shared, pending]}",
    "property.verdict: accept",
)

TESTS: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONNECTION: (f"custom.{FIELDS[Kind.CONNECTION]}: {{present: false}}",),
    Kind.PROPERTY: ("access_level: Read", "access_level: Read Write", f"connection.custom.Customer Number: {GOOD}"),
    Kind.METER: ("access_level: Read", "access_level: Read Write", *SHARE_TESTS),
}
"""What rules of each kind test beside custom field and username."""


def _lines(kind: Kind) -> st.SearchStrategy[tuple[str, ...]]:
    field = FIELDS[kind]
    lines = (
        f"custom.{field}: {GOOD}",
        f"custom.{field}: {GOOD}",
        f"custom.{field}: {OTHER}",
        f"custom.{field}: {BAD}",
        "account.username: owner_1",
        "account.username: [owner_2, owner_3]",
        *TESTS[kind],
    )
    return st.lists(st.sampled_from(lines), max_size=2, unique_by=lambda line: line.partition(":")[0]).map(tuple)


VERDICTS: Mapping[Kind, st.SearchStrategy[Verdict]] = {
    Kind.CONNECTION: st.sampled_from((*[Verdict.REJECT] * 4, *[Verdict.ACCEPT] * 4, Verdict.HOLD)),
    Kind.PROPERTY: st.sampled_from((*[Verdict.REJECT] * 4, *[Verdict.ACCEPT] * 4, Verdict.HOLD)),
    Kind.METER: st.sampled_from((*[Verdict.ACCEPT] * 4, *[Verdict.REJECT] * 2, Verdict.HOLD)),
}

IN_SO_MANY_WORDS = MadeRule(Kind.METER, ("property.share: none",), Verdict.ACCEPT, note=True)
"""The rule that may share a property read-only."""


def _rules(kind: Kind) -> st.SearchStrategy[list[MadeRule]]:
    return st.lists(
        st.builds(MadeRule, st.just(kind), _lines(kind), VERDICTS[kind], st.booleans()), min_size=1, max_size=3
    )


policies = st.builds(
    MadePolicy,
    st.tuples(
        st.sampled_from(([], [], [not_twice(Kind.CONNECTION)], [not_twice(kind) for kind in Kind])),
        st.sampled_from(([], [IN_SO_MANY_WORDS])),
        *map(_rules, Kind),
    ).map(lambda each: tuple(rule for rules in each for rule in rules)),
    st.sampled_from((Verdict.HOLD, Verdict.ACCEPT, Verdict.REJECT)),
)


def limits_written(limits: Collection[Limit]) -> str:
    """Limits in the policy language; an action without one has none."""
    said = {action: [each for each in limits if each.action is action] for action in Action}
    written = {
        action: ", ".join(f"{each.at_most} per {each.period // MINUTE}m" for each in of) for action, of in said.items()
    }
    lines = (f"{action.lower()}: {f'[{each}]' if each else 'none'}" for action, each in written.items())
    return f"limits: {{{', '.join(lines)}}}\n"
