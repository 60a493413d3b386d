"""`taken`: finds duplicate values: another owner's accepted or pending request with the same custom field value."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pm_autoaccept.model import ANY_FIELD, Claim, Claims, Fact, Facts, FieldClaims, NotLearnt, PendingRequest
from pm_autoaccept.policy.cleaning import Cleaning, cleaned, fold
from pm_autoaccept.policy.conditions import Comparison
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.fields import CUSTOM
from pm_autoaccept.policy.number_texts import garbling
from pm_autoaccept.policy.split_answers import Separators


@dataclass(frozen=True, slots=True)
class Made:
    """How an answer is normalized before it is compared: split into parts or not, and cleaned."""

    clean: tuple[Cleaning, ...]
    separators: Separators | None = None

    def of(self, text: str) -> tuple[frozenset[str], bool]:
        """The values to compare, and whether they are complete: a part may be unreadable, or there may be too many."""
        parts = (text,) if self.separators is None else self.separators.split(text)
        if isinstance(parts, NotLearnt):
            return frozenset(), False
        readable = tuple(itertools.filterfalse(garbling(self.clean), parts))
        return frozenset(cleaned(part, self.clean) for part in readable) - {""}, len(readable) == len(parts)


def asked_of(test: Comparison) -> tuple[str, Made]:
    """The custom field that a `taken` test compares, and how its values are normalized."""
    prefix = next(prefix for prefix in CUSTOM if test.field.name.startswith(prefix))
    part_of = test.field.part_of
    separators = None if part_of is None else part_of.separators
    return name_key(test.field.name.removeprefix(prefix)), Made(test.clean, separators)


def collect(tests: Iterable[Comparison], claims: Iterable[Claim], *, missing: str | None = None) -> Claims:
    """Collect the values that the `taken` tests of a policy compare with.

    Args:
        tests: the `taken` tests.
        claims: the custom fields of accepted and pending requests.
        missing: why there may be requests that are not among them.
    """
    claims = tuple(claims)
    return Claims({asked: _claimed(*asked, claims, missing) for asked in {asked_of(test) for test in tests}})


def _claimed(name: str, made: Made, claims: tuple[Claim, ...], missing: str | None) -> FieldClaims:
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
    unread = (*(claim for claim in claims if not claim.unread.isdisjoint({name, ANY_FIELD})), *garbled)
    return FieldClaims(by_value, unread, missing)


def _said(name: str, claim: Claim) -> Iterator[tuple[str, str | None]]:
    """The values of a request in this field, and why they are in doubt."""
    values = {fold(each.value) for each in claim.custom if name_key(each.name) == name}
    doubt = claim.doubt or ("it has two different values for this field" if len(values) > 1 else None)
    yield from ((value, doubt) for value in values)


def _sure_first(claim: Claim) -> tuple[bool, str, int]:
    return claim.doubt is not None or claim.owner is None, claim.key.kind, claim.key.id


def claimant(test: Comparison, value: str, request: PendingRequest, facts: Facts) -> Fact[Claim | None]:
    """The first request of another owner with this cleaned value; None if there is none."""
    if isinstance(facts.claims, NotLearnt):
        return NotLearnt(f"another owner may have the same value: {facts.claims.why}")
    claimed = facts.claims.of.get(asked_of(test), FieldClaims(missing="the requests of other owners were not read"))
    others = [claim for claim in claimed.by_value.get(value, ()) if _is_another(claim, request)]
    if others and others[0].doubt is None and others[0].owner is not None:
        return others[0]
    if others:
        return NotLearnt(f"{others[0].key} may have the same value: {others[0].doubt or 'its owner is unknown'}")
    if claimed.missing is not None:
        return NotLearnt(f"another owner may have the same value: {claimed.missing}")
    unread = next((claim for claim in claimed.unread if _is_another(claim, request)), None)
    return None if unread is None else NotLearnt(f"the value of this field in {unread.key} is unknown")


def _is_another(claim: Claim, request: PendingRequest) -> bool:
    """Whether it is, or could be, another owner's."""
    return claim.owner is None or claim.owner != request.account_id
