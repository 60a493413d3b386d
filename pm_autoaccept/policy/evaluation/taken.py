"""`taken`: finds duplicate values: another owner's accepted or pending request with the same custom field value."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pm_autoaccept.model import ANY_FIELD, Claim, Claims, Fact, Facts, FieldClaims, NotLearnt, PendingRequest
from pm_autoaccept.policy.cleaning import Cleaning, cleaned, fold
from pm_autoaccept.policy.conditions import Comparison
from pm_autoaccept.policy.evaluation.custom_answers import name_key
from pm_autoaccept.policy.fields import CUSTOM
from pm_autoaccept.policy.number_texts import garbling
from pm_autoaccept.policy.split_answers import Separators


@dataclass(frozen=True, slots=True)
class Normalization:
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


def claim_query(test: Comparison) -> tuple[str, Normalization]:
    """The custom field that a `taken` test compares, and how its values are normalized."""
    prefix = next(prefix for prefix in CUSTOM if test.field.name.startswith(prefix))
    part_of = test.field.part_of
    separators = None if part_of is None else part_of.separators
    return name_key(test.field.name.removeprefix(prefix)), Normalization(test.clean, separators)


class AcceptedClaims:
    """The claims of accepted requests by their values, kept between cycles: there are many, and few change."""

    def __init__(self) -> None:
        self._claims: dict[int, Claim] = {}
        self._values: dict[tuple[str, Normalization], _Values] = {}

    def values(self, asked: Collection[tuple[str, Normalization]], claims: Iterable[Claim]) -> Mapping[Any, _Values]:
        """The values of these claims in the fields asked for. A claim that is the same object is not read again."""
        # Nothing is kept if this fails halfway. Claims are kept with their values, so that no other object can have
        # their identity.
        before, self._claims = self._claims, {}
        values, self._values = self._values, {}
        now = {id(claim): claim for claim in claims}
        gone = [claim for number, claim in before.items() if number not in now]
        new = [claim for number, claim in now.items() if number not in before]
        found = {}
        for each in asked:
            if each in values:
                values[each].replace(gone, new)
            found[each] = values[each] if each in values else _Values(*each, now.values())
        self._claims, self._values = now, found
        return found


def collect_claims(
    tests: Iterable[Comparison],
    claims: Iterable[Claim],
    *,
    missing: str | None = None,
    accepted: Iterable[Claim] = (),
    kept: AcceptedClaims | None = None,
) -> Claims:
    """Collect the values that the `taken` tests of a policy compare with.

    Args:
        tests: the `taken` tests.
        claims: the custom fields of pending requests, or of all.
        missing: why there may be requests that are not among them.
        accepted: the custom fields of accepted requests.
        kept: those of the last cycle, brought up to date here. The result is valid until the next one.
    """
    claims, asked = tuple(claims), {claim_query(test) for test in tests}
    earlier = (kept or AcceptedClaims()).values(asked, accepted)
    return Claims({each: _field_claims(earlier[each], _Values(*each, claims), missing) for each in asked})


def _field_claims(accepted: _Values, pending: _Values, missing: str | None) -> FieldClaims:
    by_value = _Layers(accepted.by_value, pending.by_value)
    return FieldClaims(by_value, (*accepted.unread.values(), *pending.unread.values()), missing)


class _Values:
    """The values of claims to one custom field, normalized in one way.

    Attributes:
        by_value: normalized value → the claims to it.
        unread: the claims whose value is unknown, by identity.
    """

    def __init__(self, name: str, made: Normalization, claims: Iterable[Claim]) -> None:
        self._name, self._made = name, made
        self.by_value: dict[str, list[Claim]] = {}
        self.unread: dict[int, Claim] = {}
        self.replace((), claims)

    def replace(self, gone: Iterable[Claim], new: Iterable[Claim]) -> None:
        """Take some claims out, and others in."""
        for claim in gone:
            self.unread.pop(id(claim), None)
            for value, said in self._read(claim)[0]:
                self.by_value[value].remove(said)
                if not self.by_value[value]:
                    del self.by_value[value]
        for claim in new:
            values, complete = self._read(claim)
            for value, said in values:
                self.by_value.setdefault(value, []).append(said)
            if not complete or not claim.unread.isdisjoint({self._name, ANY_FIELD}):
                self.unread[id(claim)] = claim

    def _read(self, claim: Claim) -> tuple[list[tuple[str, Claim]], bool]:
        """The values of a claim, each with the claim as it stands for this value, and whether all could be read."""
        texts = {fold(each.value) for each in claim.custom if name_key(each.name) == self._name}
        if len(texts) > 1 and claim.doubt is None:
            claim = replace(claim, doubt="it has two different values for this field")
        read = [self._made.of(text) for text in texts]
        return [(value, claim) for values, _ in read for value in values], all(complete for _, complete in read)


class _Layers(Mapping[str, tuple[Claim, ...]]):
    """Value → the claims to it in both layers, certain ones first."""

    def __init__(self, *layers: Mapping[str, Sequence[Claim]]) -> None:
        self._layers = layers

    def __getitem__(self, value: str) -> tuple[Claim, ...]:
        """Raise `KeyError` if nobody claims this value."""
        found = [claim for layer in self._layers for claim in layer.get(value, ())]
        if not found:
            raise KeyError(value)
        return tuple(sorted(found, key=_sure_first))

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(itertools.chain(*self._layers)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _sure_first(claim: Claim) -> tuple[bool, str, int]:
    return claim.doubt is not None or claim.owner is None, claim.key.kind, claim.key.id


def find_duplicate(test: Comparison, value: str, request: PendingRequest, facts: Facts) -> Fact[Claim | None]:
    """The first request of another owner with this cleaned value; None if there is none."""
    if isinstance(facts.claims, NotLearnt):
        return NotLearnt(f"another owner may have the same value: {facts.claims.why}")
    claimed = facts.claims.of.get(claim_query(test), FieldClaims(missing="the requests of other owners were not read"))
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
