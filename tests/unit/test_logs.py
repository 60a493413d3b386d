"""Logs: harmless for a terminal, one JSON object a line elsewhere, and every event told in the documents."""

from __future__ import annotations

import asyncio
import json
import logging
import re

import pytest
import structlog

from pm_autoaccept.telemetry.logs import LogFormat, LogLevel, account_context, configure_logs, cycle_context

log = structlog.get_logger()


@pytest.fixture
def lines(capsys):
    """What was logged since, each line an object; nothing goes to stdout."""

    def read():
        told = capsys.readouterr()
        assert told.out == ""
        return [json.loads(line) for line in told.err.splitlines()]

    return read


@pytest.mark.parametrize("person", [True, False])
def test_a_customer_s_text_cannot_steer_the_terminal(person, capsys, monkeypatch):
    """Control and direction characters of XML, which a username may hold, become visible marks, however deep."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: person)
    monkeypatch.setenv("NO_COLOR", "1")
    configure_logs()
    name = "river\x9b2J\u202eside"
    log.info("request_accepted", owner=name, number=7, several=[name, {name: (name,)}], error=ValueError(name))
    logging.getLogger("aiohttp.server").error("%s", name)
    log.error("cycle_failed", exc_info=ValueError(name))
    told = capsys.readouterr()
    assert told.out == ""
    assert "\x9b" not in told.err
    assert "\u202e" not in told.err
    assert told.err.count("ValueError: river") == 1
    if not person:
        first = json.loads(told.err.splitlines()[0])
        shown = "river�2J�side"
        assert (first["owner"], first["several"], first["number"]) == (shown, [shown, {shown: [shown]}], 7)


@pytest.mark.parametrize(
    ("form", "person", "is_json"),
    [
        (LogFormat.AUTO, True, False),
        (LogFormat.AUTO, False, True),
        (LogFormat.JSON, True, True),
        (LogFormat.TEXT, False, False),
    ],
)
def test_the_form_is_for_whoever_reads_unless_it_is_said(form, person, is_json, capsys, monkeypatch):
    """Colours are for terminals only: a file has none, even where text was asked for."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: person)
    monkeypatch.delenv("NO_COLOR", raising=False)
    configure_logs(form=form)
    log.warning("cycle_failed", error="no")
    told = capsys.readouterr().err
    assert told.startswith("{") is is_json
    assert ("\x1b[" in told) is (person and not is_json)


@pytest.mark.parametrize("level", LogLevel)
def test_from_which_level_on_is_said(level, lines):
    """What is below it is not logged, neither ours nor, up to warnings, the libraries'."""
    configure_logs(level)
    logging.getLogger("sqlalchemy.engine").setLevel(logging.DEBUG)
    order = list(LogLevel)
    for each in order:
        log.log(logging.getLevelNamesMapping()[each.upper()], "tried", each=each)
        logging.getLogger("sqlalchemy.engine").log(logging.getLevelNamesMapping()[each.upper()], "parameters")
    told = lines()
    assert [entry["each"] for entry in told if entry["event"] == "tried"] == order[order.index(level) :]
    libraries = [entry["level"] for entry in told if entry["event"] == "parameters"]
    assert libraries == order[max(order.index(level), order.index(LogLevel.WARNING)) :]


def test_what_libraries_log_has_the_same_form_and_says_whose_it_is(lines):
    """However often logs are set up, a line is written once."""
    configure_logs()
    configure_logs()
    with account_context("prairie"):
        logging.getLogger("asyncio").warning("Executing %s took %s seconds", "it", 3)
    (told,) = lines()
    assert told.pop("timestamp").endswith("Z")
    assert told == {
        "event": "Executing it took 3 seconds",
        "level": "warning",
        "logger": "asyncio",
        "account": "prairie",
    }


async def test_all_that_one_cycle_logs_has_its_id_also_from_its_tasks(lines):
    """Two accounts' cycles side by side are told apart, and the next cycle has another id."""
    configure_logs()

    async def work(name):
        with account_context(name):
            for _ in range(2):
                with cycle_context():
                    log.info("begun")
                    await asyncio.gather(*(asyncio.create_task(answer()) for _ in range(2)))
            log.info("left")

    async def answer():
        await asyncio.sleep(0)
        log.info("answered")

    await asyncio.gather(work("prairie"), work("river"))
    told = lines()
    cycles = {}
    for entry in told:
        cycles.setdefault((entry["account"], entry.get("cycle")), []).append(entry["event"])
    assert sorted(cycles.values()) == [*[["begun", "answered", "answered"]] * 4, ["left"], ["left"]]
    assert len({cycle for _, cycle in cycles if cycle}) == 4
    assert all(re.fullmatch("[0-9a-f]{8}", cycle) for _, cycle in cycles if cycle)
