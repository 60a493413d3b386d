"""`taken`: whether the same value stands in this custom field of another owner's accepted or pending request."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pm_autoaccept.model import ANY, Claim, Claimed, Claims, Fact, Facts, NotLearnt, PendingRequest
from pm_autoaccept.policy.cleaning import Cleaning, cleaned, fold
from pm_autoaccept.policy.conditions import Comparison
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.fields import CUSTOM
from pm_autoaccept.policy.number_texts import garbling
from pm_autoaccept.policy.split_answers import Separators


@dataclass(frozen=True, slots=True)
class Made:
    """What is made of an answer before it is compared: its parts, or the whole of it, and each cleaned so."""

    clean: tuple[Cleaning, ...]
    separators: Separators | None = None

    def of(self, text: str) -> tuple[frozenset[str], bool]:
        """What is compared, and whether that is all: a part may not be readable, and parts may be too many."""
        parts = (text,) if self.separators is None else self.separators.split(text)
        if isinstance(parts, NotLearnt):
            return frozenset(), False
        readable = tuple(itertools.filterfalse(garbling(self.clean), parts))
        return frozenset(cleaned(part, self.clean) for part in readable) - {""}, len(readable) == len(parts)


def asked_of(test: Comparison) -> tuple[str, Made]:
    """What a test with `taken` asks about: the custom field, wherever it stands, and what is made of its values."""
    prefix = next(prefix for prefix in CUSTOM if test.field.name.startswith(prefix))
    part_of = test.field.part_of
    separators = None if part_of is None else part_of.separators
    return name_key(test.field.name.removeprefix(prefix)), Made(test.clean, separators)


def collect(tests: Iterable[Comparison], claims: Iterable[Claim], *, missing: str | None = None) -> Claims:
    """What there is to know about what these tests ask.

    Args:
        tests: those with `taken`.
        claims: what accepted and pending requests say.
        missing: why there may be others.
    """
    claims = tuple(claims)
    return Claims({asked: _claimed(*asked, claims, missing) for asked in {asked_of(test) for test in tests}})


def _claimed(name: str, made: Made, claims: tuple[Claim, ...], missing: str | None) -> Claimed:
    found: dict[str, list[Claim]] = defaultdict(list)
    garbled = list[Claim]()
    for claim in claims:
        for value, doubt in _said(name, claim):
            keys, all_read = made.of(value)
            if not all_read:
                garbled.append(claim)
            for key in keys:
                found[key].append(claim if doubt is None else replace(claim, doubt=doubt))
    by_value = {value: tuple(sorted(each, key=_sure_first)) for value, each in found.items()}
    unread = (*(claim for claim in claims if not claim.unread.isdisjoint({name, ANY})), *garbled)
    return Claimed(by_value, unread, missing)


def _said(name: str, claim: Claim) -> Iterator[tuple[str, str | None]]:
    """The values that a request has in this field, and why it is not sure that it has them."""
    values = {fold(each.value) for each in claim.custom if name_key(each.name) == name}
    doubt = claim.doubt or ("it says two different things there" if len(values) > 1 else None)
    yield from ((value, doubt) for value in values)


def _sure_first(claim: Claim) -> tuple[bool, str, int]:
    return claim.doubt is not None or claim.owner is None, claim.key.kind, claim.key.id


def claimant(test: Comparison, value: str, request: PendingRequest, facts: Facts) -> Fact[Claim | None]:
    """The first other owner's request in which this cleaned value stands, None where there is none."""
    if isinstance(facts.claims, NotLearnt):
        return NotLearnt(f"whether another owner has the same could not be learnt: {facts.claims.why}")
    claimed = facts.claims.of.get(asked_of(test), Claimed(missing="nobody was asked who else has the same"))
    others = [claim for claim in claimed.by_value.get(value, ()) if _is_another(claim, request)]
    if others and others[0].doubt is None and others[0].owner is not None:
        return others[0]
    if others:
        return NotLearnt(f"{others[0].key} may have the same: {others[0].doubt or 'its owner is not known'}")
    if claimed.missing is not None:
        return NotLearnt(f"another owner may have the same: {claimed.missing}")
    unread = next((claim for claim in claimed.unread if _is_another(claim, request)), None)
    return None if unread is None else NotLearnt(f"what {unread.key} says there is not known")


def _is_another(claim: Claim, request: PendingRequest) -> bool:
    """Whether it is, or may be, another owner's."""
    return claim.owner is None or claim.owner != request.account_id
