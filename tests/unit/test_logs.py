"""Logs: harmless for a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import json

import pytest
import structlog

from pm_autoaccept.telemetry.logs import configure_logs


@pytest.fixture(autouse=True)
def _as_before():
    """Leave structlog as other tests expect it."""
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("person", [True, False])
def test_a_customer_s_text_cannot_steer_the_terminal(person, capsys, monkeypatch):
    """Control and direction characters of XML, which a username may hold, become visible marks."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: person)
    monkeypatch.setenv("NO_COLOR", "1")
    configure_logs()
    structlog.get_logger().info("request_accepted", owner="river\x9b2J\u202eside", number=7)
    told = capsys.readouterr()
    assert told.out == ""
    assert "\x9b" not in told.err
    assert "\u202e" not in told.err
    if not person:
        assert json.loads(told.err)["owner"] == "river�2J�side"
