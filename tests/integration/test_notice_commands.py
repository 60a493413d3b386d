"""`doctor --notify` and `notices`: tests of targets, and what the outbox holds; no secret of a target in any output."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

standardwebhooks = pytest.importorskip("standardwebhooks", reason="needs standardwebhooks, which `make setup` installs")

from pm_autoaccept.cli.notices import notices  # noqa: E402 — what needs the library comes after the check for it
from pm_autoaccept.config import load_accounts  # noqa: E402
from pm_autoaccept.doctor import State, send_tests  # noqa: E402
from pm_autoaccept.doctor.notices import check_told  # noqa: E402
from pm_autoaccept.ledger import Database  # noqa: E402
from pm_autoaccept.ledger.db.tables import notice as notice_table  # noqa: E402
from pm_autoaccept.ledger.notices import notice_values  # noqa: E402
from pm_autoaccept.model import NoticeKind, NoticeTarget, TargetKind  # noqa: E402
from pm_autoaccept.policy import load  # noqa: E402

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TOKEN = "t0ken-in-a-path"


class Receiver(BaseHTTPRequestHandler):
    """Verifies a webhook, and repeats its address as an impolite receiver does."""

    verified: list[dict]
    status = 202

    def do_POST(self) -> None:
        """Take an event."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.verified.append(standardwebhooks.Webhook(SIGNING).verify(body, dict(self.headers)))
        self.send_response(self.status, f"you called {self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[tuple[type[Receiver], str]]:
    """A receiver, and its address."""
    kind = type("Receives", (Receiver,), {"verified": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind, f"http://127.0.0.1:{server.server_port}/{TOKEN}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def settings(tmp_path: Path, receiver) -> Path:
    """A settings file with one target."""
    (tmp_path / "address").write_text(receiver[1])
    (tmp_path / "signing").write_text(SIGNING)
    (tmp_path / "password").write_text("secret")
    path = tmp_path / "settings.yaml"
    path.write_text(
        "service: test\nusername: prairie_power\npassword_file: password\npolicy: policy\nledger: sqlite:///ledger.db\n"
        "targets:\n  queue: {kind: webhook, url_file: address, secret_file: signing, groups: [benchmarking]}\n"
    )
    return path


@pytest.mark.parametrize(("status", "state"), [(202, State.OK), (500, State.PROBLEM)])
async def test_a_test_reaches_the_target(settings, receiver, status, state) -> None:
    """`doctor --notify` shows what came back, and nothing of the address but its host."""
    kind, url = receiver
    kind.status = status
    (finding,) = [each async for each in send_tests(load_accounts(settings=settings))]
    assert (finding.check, finding.state) == ("notify queue", state)
    assert f"answered {status}" in finding.found
    assert finding.found.startswith(f"webhook {url.rpartition('/')[0]}/…: ")
    assert not [secret for secret in (TOKEN, SIGNING) if secret in str(finding)]
    (event,) = kind.verified
    assert event["type"] == "pm-autoaccept.test"


async def test_no_targets(settings) -> None:
    """`doctor --notify` without targets says so."""
    settings.write_text(settings.read_text().partition("targets:")[0])
    (finding,) = [each async for each in send_tests(load_accounts(settings=settings))]
    assert finding.state is State.WARNING
    assert "no targets" in finding.found


def test_groups_that_nobody_hears_of(settings) -> None:
    """`doctor` names the groups of the policy without a target."""
    rule = "version: 1\nrules:\n  - {id: a, on: connection, when: always, then: hold, tell: GROUP}\n"
    targets = load_accounts(settings=settings).targets

    def told(group: str):
        return check_told(load({"policy.yaml": rule.replace("GROUP", group).encode()}), targets)

    assert told("benchmarking").state is State.OK
    unheard = told("supervisors")
    assert unheard.state is State.WARNING
    assert "no target gets notices for supervisors" in unheard.found


TARGET = NoticeTarget(name="queue", kind=TargetKind.WEBHOOK, groups=None, time_zone=UTC)


@pytest.fixture
async def outbox(settings: Path) -> Path:
    """A ledger with a dead notice and a waiting one; returns the settings file."""
    database = await Database.open(f"sqlite:///{settings.parent}/ledger.db")
    at = datetime(2026, 5, 1, tzinfo=UTC)
    made = [
        notice_values(
            TARGET,
            NoticeKind.REQUEST_HELD,
            event_id=f"evt_{number}",
            account="default",
            body={"request": {"key": f"property:{number}"}},
            at=at,
        )
        for number in range(2)
    ]
    made[0] |= {"state": "dead", "ended_at": at, "attempts": 10, "error": "answered 410 Gone\x1b[31m"}
    await database.run(lambda connection: connection.execute(notice_table.insert(), made))
    await database.close()
    return settings


def call(*arguments: str):
    """Call the command."""
    return CliRunner().invoke(notices, arguments, standalone_mode=False)


def test_list_and_resend(outbox: Path) -> None:
    """Dead notices are listed, sent again with the same id, and then wait."""
    listed = json.loads(call("list", "--settings", str(outbox), "--output", "json").output)
    assert [(row["event_id"], row["about"], row["state"], row["attempts"]) for row in listed] == [
        ("evt_0", "property:0", "dead", 10),
        ("evt_1", "property:1", "waiting", 0),
    ]
    text = call("list", "--settings", str(outbox), "--state", "dead").output
    assert "property:0" in text
    assert "property:1" not in text
    assert "\x1b" not in text
    again = call("resend", "--settings", str(outbox))
    assert (again.return_value, again.output) == (0, "1 notice will be sent again.\n")
    assert json.loads(call("list", "--settings", str(outbox), "--state", "dead", "--output", "json").output) == []
    nothing = call("resend", "--settings", str(outbox), "--target", "nobody")
    assert (nothing.return_value, nothing.output) == (1, "0 notices will be sent again.\n")
