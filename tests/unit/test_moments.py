"""The times that options take: one syntax and one time zone for every command."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import COMMANDS, cli
from pm_autoaccept.cli.support.moments import MomentType, format_moment, parse_moment

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
CENTRAL = timezone(timedelta(hours=-6))
DAY, WEEK = timedelta(days=1), timedelta(days=7)


@pytest.fixture(params=["UTC", "America/Chicago", "Asia/Tokyo"])
def machine_zone(request, monkeypatch):
    """The machine's own time zone, which must not matter."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("machine_zone")
@pytest.mark.parametrize(
    ("text", "past", "future"),
    [
        ("2026-03-04T18:00", datetime(2026, 3, 4, 18, tzinfo=UTC), datetime(2026, 3, 4, 18, tzinfo=UTC)),
        ("2026-03-04 18:00", datetime(2026, 3, 4, 18, tzinfo=UTC), datetime(2026, 3, 4, 18, tzinfo=UTC)),
        ("2026-03-04T18:00Z", datetime(2026, 3, 4, 18, tzinfo=UTC), datetime(2026, 3, 4, 18, tzinfo=UTC)),
        ("2026-03-04 18:00:00 UTC", datetime(2026, 3, 4, 18, tzinfo=UTC), datetime(2026, 3, 4, 18, tzinfo=UTC)),
        ("2026-03-04T18:00-06:00", datetime(2026, 3, 5, 0, tzinfo=UTC), datetime(2026, 3, 5, 0, tzinfo=UTC)),
        (" 18:00 ", datetime(2026, 3, 3, 18, tzinfo=UTC), datetime(2026, 3, 4, 18, tzinfo=UTC)),
        ("9:30", datetime(2026, 3, 4, 9, 30, tzinfo=UTC), datetime(2026, 3, 5, 9, 30, tzinfo=UTC)),
        ("12:00", NOW, NOW + DAY),
        ("18:00Z", datetime(2026, 3, 3, 18, tzinfo=UTC), datetime(2026, 3, 4, 18, tzinfo=UTC)),
        ("18:00-06:00", datetime(2026, 3, 3, 18, tzinfo=CENTRAL), datetime(2026, 3, 4, 18, tzinfo=CENTRAL)),
        ("05:00-06:00", datetime(2026, 3, 4, 5, tzinfo=CENTRAL), datetime(2026, 3, 5, 5, tzinfo=CENTRAL)),
        ("7d", NOW - WEEK, NOW + WEEK),
        ("2h", NOW - timedelta(hours=2), NOW + timedelta(hours=2)),
    ],
)
def test_a_moment_without_an_offset_is_utc_whatever_the_machine_s_zone(text, past, future):
    """In every command; a duration or a time of day looks back, or ahead for a time that is to come."""
    assert parse_moment(text, now=NOW) == past
    assert parse_moment(text, now=NOW, future=True) == future
    assert parse_moment(text, now=NOW).utcoffset() == timedelta()


@pytest.mark.parametrize("future", [False, True])
def test_a_date_begins_at_midnight_or_includes_its_whole_day(future):
    """`--since` takes the beginning, `--until` the end."""
    assert parse_moment("2026-03-31", now=NOW, future=future) == datetime(2026, 3, 31, tzinfo=UTC)
    assert parse_moment("2026-03-31", now=NOW, future=future, whole_day=True) == datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "later",
        "24:10",
        "18",
        "2026-02-30",
        "03/04/2026",
        "100000d",
        "\u0667d",
        "\u0662\u0660\u0662\u0666-03-04",
        "9999-12-31 CST",
    ],
)
def test_what_is_not_a_moment_is_refused_with_examples(text):
    """The message repeats the text, and shows what to write."""
    with pytest.raises(ValueError, match=r"invalid time .*; use .*, for example 2026-03-31, .* or 7d") as raised:
        parse_moment(text, now=NOW)
    assert repr(text) in str(raised.value)


def test_a_moment_that_must_be_to_come_is_refused_when_it_is_past():
    """A limit that is lifted until yesterday would not be lifted."""
    until = MomentType(whole_day=True, future=True, clock=lambda: NOW)
    assert until.convert("2026-03-04", None, None) == datetime(2026, 3, 5, tzinfo=UTC)
    with pytest.raises(click.BadParameter, match="2026-03-04 11:59:00 UTC is in the past; use a later time"):
        until.convert("2026-03-04T11:59", None, None)


def test_a_moment_is_shown_with_its_zone():
    """Nobody should have to guess it."""
    assert format_moment(NOW, UTC) == "2026-03-04 12:00:00 UTC"
    assert format_moment(NOW, ZoneInfo("America/Chicago")) == "2026-03-04 06:00:00 CST"
    assert parse_moment(format_moment(NOW, UTC), now=NOW + WEEK) == NOW


def test_every_option_that_takes_a_time_takes_it_by_the_one_parser():
    """And its help says which zone is meant, or stands next to one that does."""
    context = click.Context(cli)
    found = {
        (name, param.name)
        for name in COMMANDS
        for param in (cli.get_command(context, name) or cli).params
        if isinstance(param.type, MomentType)
    }
    assert found == {("decisions", "since"), ("decisions", "until"), ("mask", "before"), ("resume", "until")}
    for command in ("decisions", "mask", "resume"):
        shown = " ".join(CliRunner().invoke(cli, [command, "--help"]).output.split())
        assert "UTC unless it has an offset" in shown
