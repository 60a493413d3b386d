"""`limits:`: what is read, what holds where nothing is said, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from pm_autoaccept.model import Action, Limit

RULES = "rules: [{id: a, on: meter, when: always, then: hold}]"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ACCEPTS = Limit(action=Action.ACCEPT, at_most=200, period=HOUR)
REJECTS = Limit(action=Action.REJECT, at_most=50, period=DAY)


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        ("", (ACCEPTS, REJECTS)),
        ("limits: {accept: 500 per 15m}", (Limit(action=Action.ACCEPT, at_most=500, period=HOUR / 4), REJECTS)),
        ("limits: {accept: none, reject: none}", ()),
        ("limits: none", ()),
        ("limits: {reject: none}", (ACCEPTS,)),
        ("limits: {accept: 0 per 1d}", (Limit(action=Action.ACCEPT, at_most=0, period=DAY), REJECTS)),
        ("limits: {accept: '1,500 per 1h'}", (Limit(action=Action.ACCEPT, at_most=1_500, period=HOUR), REJECTS)),
        (
            "limits: {reject: [20 per 1h, 2.5% per 1d]}",
            (
                ACCEPTS,
                Limit(action=Action.REJECT, at_most=20, period=HOUR),
                Limit(action=Action.REJECT, percent=Decimal("2.5"), period=DAY),
            ),
        ),
    ],
)
def test_limits_are_as_said_and_otherwise_as_by_default(load, said, limits):
    """A key that is left out has its default; `none` must be said."""
    assert load(f"{RULES}\n{said}").limits == limits


@pytest.mark.parametrize(
    ("said", "place", "message"),
    [
        ("limits: None", (3, 9), "invalid `limits`; use a mapping, for example {accept: 200 per 1h"),
        ("limits: [accept]", (3, 9), "invalid `limits`; use a mapping"),
        ("limits: {acept: 1 per 1h}", (3, 10), "unknown key `acept` in `limits` (did you mean `accept`?)"),
        ("limits: {hold: 1 per 1h}", (3, 10), "unknown key `hold` in `limits`; allowed keys: accept and reject"),
        (
            "limits: {accept: 500}",
            (3, 18),
            "invalid limit; use a number per period, for example `500 per 1h`, or `none`",
        ),
        ("limits: {reject: 500 per hour}", (3, 18), "for example `500 per 1h` or `10% per 1d`, or `none`"),
        ("limits: {accept: 1 per 0h}", (3, 18), "invalid limit; use a number per period"),
        ("limits: {accept: -1 per 1h}", (3, 18), "invalid limit; use a number per period"),
        ("limits: {accept: {hour: 1}}", (3, 18), "invalid limit; use a number per period"),
        ("limits: {accept: [1 per 1h, none]}", (3, 29), "invalid limit; use a number per period"),
        ("limits: {accept: 10% per 1d}", (3, 18), "a percentage can limit rejects only; use a number"),
        ("limits: {reject: 101% per 1d}", (3, 18), "a limit above 100% has no effect; use a number"),
    ],
)
def test_what_is_no_limit_is_refused_where_it_stands(refused, said, place, message):
    """A limit that is not understood would not hold; the policy is not used at all."""
    (fault,) = refused(f"{RULES}\n{said}")
    assert (fault.line, fault.column) == place
    assert message in fault.message


def test_what_was_refused_already_is_not_refused_again(refused):
    """One mistake brings one fault."""
    assert len(refused(f"{RULES}\nlimits: {{accept: !x 1 per 1h}}")) == 1
    assert len(refused(f"{RULES}\nlimits: !x {{accept: 1 per 1h}}")) == 1


def test_limits_stand_in_one_file_only(refused):
    """Two files that each say a limit would leave open which one holds; both are read for faults."""
    (fault, other) = refused(f"{RULES}\nlimits: {{accept: 1 per 1h}}", zz="version: 1\nlimits: {accept: many}")
    assert "`limits` is also set in policy.yaml" in fault.message
    assert "invalid limit; use a number per period" in other.message
