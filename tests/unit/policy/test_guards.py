"""Guards: what `require` asks of a table, beside what is remembered of it and the time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pm_autoaccept.model import NotLearnt, SourceHistory
from pm_autoaccept.policy import Form, Guard, Source, weigh
from tests.key_tables import key_table

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FILE = Source(name="accounts", form=Form.CSV, path="data/accounts.csv", key=("number",))
CONFIRM = "If this is correct, run `pm-autoaccept data confirm accounts`"


def weighed(guard: Guard, *, rows: int = 100, dated=NOW, time=NOW, remembered=None):
    """What comes of a table of so many rows: the table, or why it is not good."""
    known = remembered if isinstance(remembered, NotLearnt) else {"accounts": remembered} if remembered else {}
    table = key_table("accounts", {"1"}, rows=rows, digest="now")
    sources = {"accounts": replace(FILE, require=guard)}
    found = weigh(sources, {"accounts": table}, dated={"accounts": dated}, remembered=known, time=time)["accounts"]
    return "good" if found is table else found.why


HAD = SourceHistory(most=200, least=50)


@pytest.mark.parametrize(
    ("guard", "rows", "remembered", "says"),
    [
        (Guard(rows=100), 100, None, "good"),
        (Guard(rows=101), 100, None, "data/accounts.csv: it has 100 rows; the policy requires at least 101"),
        (Guard(shrink=Decimal(20)), 160, HAD, "good"),
        (Guard(shrink=Decimal(20)), 159, HAD, "it has 159 rows, down from 200; the policy allows at most 20% fewer"),
        (Guard(shrink=Decimal(20)), 1, None, "good"),
        (Guard(grow=Decimal(50)), 75, HAD, "good"),
        (Guard(grow=Decimal(50)), 76, HAD, "it has 76 rows, up from 50; the policy allows at most 50% more"),
        (Guard(shrink=Decimal("0.5")), 199, HAD, "good"),
        (Guard(shrink=Decimal("0.4")), 199, HAD, "allows at most 0.4% fewer"),
        (Guard(grow=Decimal(0)), 51, HAD, "allows at most 0% more"),
    ],
)
def test_rows_are_counted_and_compared_with_what_is_remembered(guard, rows, remembered, says):
    """At the very limit it is good; a table that was never seen before is compared with nothing."""
    found = weighed(guard, rows=rows, remembered=remembered)
    assert says in found
    assert (CONFIRM in found) is (found != "good")


@pytest.mark.parametrize(
    ("dated", "says"),
    [
        (NOW - 2 * DAY, "good"),
        (
            NOW - 2 * DAY - timedelta(seconds=1),
            "its contents are from 2026-03-02 11:59 UTC; the policy allows at most 2d",
        ),
        (NOW + DAY, "good"),
        (NOW + DAY + timedelta(seconds=1), "its contents are dated 2026-03-05, which is in the future"),
        (None, "the date of its contents is unknown; name the column that contains it with `dated: COLUMN`"),
    ],
)
def test_contents_grow_old(dated, says):
    """What is dated in the future, or not at all, would never grow old."""
    assert says in weighed(Guard(age=2 * DAY), dated=dated)


def test_how_old_contents_are_is_not_known_while_our_clock_is_not_to_be_trusted():
    """A clock that is set back would make an old table new; only what asks for an age hangs on it."""
    wrong = NotLearnt("our clock and Portfolio Manager's are 400 seconds apart")
    assert f"its age is unknown: {wrong.why}" in weighed(Guard(age=DAY), time=wrong)
    assert weighed(Guard(rows=1), time=wrong) == "good"


def test_nothing_that_is_guarded_is_good_while_the_memory_cannot_be_asked():
    """What is not guarded does not need it."""
    assert "its earlier contents are unknown: nobody was asked" in weighed(
        Guard(rows=1), remembered=NotLearnt("nobody was asked")
    )
    assert weighed(Guard(), remembered=NotLearnt("nobody was asked")) == "good"


def test_contents_that_somebody_confirmed_are_good_until_they_are_others_or_old():
    """Row counts do not matter then; the age counts from the confirmation on."""
    guard = Guard(rows=1_000, shrink=Decimal(1), age=2 * DAY)
    confirmed = replace(HAD, confirmed={"now": NOW - DAY})
    assert weighed(guard, dated=NOW - 9 * DAY, remembered=confirmed) == "good"
    assert "the policy allows at most 2d" in weighed(
        guard, dated=NOW - 9 * DAY, time=NOW + 2 * DAY, remembered=confirmed
    )
    assert "requires at least 1,000" in weighed(guard, remembered=replace(HAD, confirmed={"before": NOW - DAY}))


def test_a_table_that_was_not_read_is_told_as_it_is():
    """The guard has nothing to add."""
    sources = {"accounts": replace(FILE, require=Guard(rows=1)), "other": replace(FILE, name="other")}
    gone = NotLearnt("data/accounts.csv: gone")
    found = weigh(sources, {"accounts": gone}, dated={}, remembered={}, time=NOW)
    assert found == {"accounts": gone, "other": NotLearnt("it was not read")}
