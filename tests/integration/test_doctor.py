"""What doctor finds, on a simulator and on this machine; that it changes nothing and shows no secret."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import sqlite3
import ssl
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from pm_autoaccept.cli.support.preview import load_preview
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import load_accounts
from pm_autoaccept.doctor import Finding, State, examine
from pm_autoaccept.doctor import ledger as doctor_records
from pm_autoaccept.doctor.network import check_connection
from pm_autoaccept.errors import NotAuthorised
from pm_autoaccept.ledger import Database
from pm_autoaccept.simulator import Fault, FaultKind
from tests.acceptance.processes import run
from tests.examples import at_work

ASKS_WHO = """\
version: 1
rules:
  - {id: known, on: connection, when: {custom.Utility Customer Number: {equals: "1"}}, then: accept}
"""


@pytest.fixture
def said(tmp_path, said_of):
    """What is said of a simulator, with a policy that asks for one custom field."""
    (tmp_path / "policy" / "policy.yaml").write_text(ASKS_WHO)
    return said_of


async def found_by(**said) -> dict[str, Finding]:
    """What doctor finds of one account, by check."""
    return {finding.check: finding async for finding in examine(load_accounts(**said))}


def rows(path) -> str:
    """All rows of a SQLite file, as text, but those that say how signing in ended."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return "\n".join(line for line in connection.iterdump() if not line.startswith('INSERT INTO "sign_in"'))


async def test_all_is_well_with_a_new_account(simulate, said):
    """Every check is ok, and says what was looked at."""
    found = await found_by(**said(await simulate(clock=utc_now)))
    assert {finding.state for finding in found.values()} == {State.OK}
    assert list(found) == [
        "certificate authorities",
        "ledger",
        "ledger's disk",
        "policy",
        "proxy",
        "host",
        "sign-in",
        "account searchable",
        "clock",
        "pending connections",
        "pending properties",
        "pending meters",
        "notifications",
        "custom fields",
    ]


async def test_only_reads_are_asked_and_the_ledger_stays_as_it_is(simulate, said):
    """One GET /account first, notifications with clear=false, no POST; only how signing in ended is in the ledger."""
    simulator = await simulate(clock=utc_now)
    settings = said(simulator)
    async with at_work(load_accounts(**settings).accounts[0]) as cycle:
        await cycle.look()
    path = settings["ledger"].removeprefix("sqlite:///")
    before, seen = rows(path), len(simulator.log.calls)

    found = await found_by(**settings)

    asked = simulator.log.calls[seen:]
    assert {finding.state for finding in found.values()} == {State.OK}
    assert found["ledger writable"].state is found["ledger's account"].state is State.OK
    assert {call.method for call in asked} == {"GET"}
    assert [call.service for call in asked if call.service == "get_account"] == [asked[0].service]
    assert [call.path for call in asked if "notification" in call.path] == ["/wstest/notification/list?clear=false"]
    assert rows(path) == before != ""


async def test_a_wrong_password_is_tried_once_and_what_needs_it_is_not_tried(simulate, said):
    """The advice speaks of test and live; the rest is said to be untried."""
    simulator = await simulate(clock=utc_now)
    found = await found_by(**said(simulator, password="Wrong-Meter-1"))
    assert found["sign-in"].state is State.PROBLEM
    assert "test and live" in found["sign-in"].advice
    assert found["pending meters"].state is State.NOT_TRIED
    assert len(simulator.log.calls) == 1
    assert "Wrong-Meter-1" not in repr(found)


@pytest.mark.parametrize(
    ("searchable", "says"),
    [
        ("<searchable>false</searchable>", "cannot find"),
        ("", "does not say"),
        ("<searchable>perhaps</searchable>", "does not say"),
    ],
)
async def test_an_account_that_customers_may_not_find_is_a_warning(simulate, said, searchable, says):
    """It works, and nobody new can connect; nobody is kept from signing in by it."""
    simulator = await simulate(clock=utc_now)
    text = f"<account><id>87267</id><username>u</username>{searchable}</account>"
    simulator.faults.add(Fault(kind=FaultKind.STATUS, service="get_account", status=200, body=text))
    found = await found_by(**said(simulator))
    assert (found["sign-in"].state, found["account searchable"].state) == (State.OK, State.WARNING)
    assert says in found["account searchable"].found


@pytest.mark.parametrize("status", [301, 403, 404, 429, 500])
async def test_a_list_that_cannot_be_read_is_a_problem_and_the_others_are_tried(simulate, said, status):
    """Whatever the cause, something is said of what to do."""
    simulator = await simulate(clock=utc_now)
    simulator.faults.add(Fault(kind=FaultKind.STATUS, service="list_pending_meters", status=status))
    found = await found_by(**said(simulator))
    assert found["pending meters"].state is State.PROBLEM
    assert str(status) in found["pending meters"].found
    assert found["pending meters"].advice
    assert found["notifications"].state is State.OK


@pytest.mark.parametrize(
    ("minutes", "state"),
    [(0, State.OK), (1, State.WARNING), (4, State.WARNING), (6, State.PROBLEM), (-6, State.PROBLEM)],
)
async def test_clocks_that_differ_are_told(simulate, said, minutes, state):
    """A little is a warning; more than five minutes stops rules on dates."""
    simulator = await simulate(clock=lambda: utc_now() + timedelta(minutes=minutes))
    assert (await found_by(**said(simulator)))["clock"].state is state


async def test_a_custom_field_that_the_account_does_not_define_is_a_problem(simulate, said, tmp_path):
    """The nearest name that it does define is said."""
    simulator = await simulate(clock=utc_now)
    (tmp_path / "policy" / "policy.yaml").write_text(ASKS_WHO.replace("Customer Number", "Customer Numbr"))
    finding = (await found_by(**said(simulator)))["custom fields"]
    assert finding.state is State.PROBLEM
    assert "`custom.Utility Customer Numbr` (did you mean `Utility Customer Number`?)" in finding.found


async def test_a_policy_with_faults_is_a_problem_and_the_rest_is_tried(simulate, said, tmp_path):
    """The first fault is shown, and the command that shows all."""
    (tmp_path / "policy" / "policy.yaml").write_text(ASKS_WHO.replace("accept", "acept"))
    found = await found_by(**said(await simulate(clock=utc_now)))
    assert found["policy"].state is State.PROBLEM
    assert "policy.yaml:3:" in found["policy"].found
    assert "pm-autoaccept check" in found["policy"].advice
    assert found["sign-in"].state is State.OK
    assert found["custom fields"].state is State.NOT_TRIED


async def test_data_that_is_missing_is_a_problem(simulate, said, tmp_path):
    """What a policy declares is read too."""
    (tmp_path / "policy" / "policy.yaml").write_text(f"{ASKS_WHO}data:\n  known: {{lines: known.txt}}\n")
    found = await found_by(**said(await simulate(clock=utc_now)))
    assert found["data known"].state is State.PROBLEM


async def test_a_group_that_nobody_named_is_a_warning(simulate, said, tmp_path):
    """Whoever misspells a group in a policy learns it before somebody should have been told."""
    policy = tmp_path / "policy" / "policy.yaml"
    policy.write_text(ASKS_WHO.replace("then: accept", "then: accept, tell: supervisors"))
    simulator = await simulate(clock=utc_now)
    finding = (await found_by(**said(simulator)))["groups"]
    assert (finding.state, "supervisors" in finding.found) == (State.WARNING, True)
    assert (await found_by(**said(simulator), groups="supervisors"))["groups"].state is State.OK


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


@pytest.mark.parametrize(
    ("service", "says"),
    [
        ("http://127.0.0.1:{port}/ws", "nothing is listening there"),
        ("https://nowhere.invalid/ws", "cannot be resolved"),
    ],
)
async def test_a_host_that_cannot_be_reached_is_told_by_its_cause(simulate, said, service, says):
    """Nothing else is asked of it."""
    service = service.format(port=free_port())
    found = await found_by(**said(await simulate(clock=utc_now), service=service, rate="4 per 1s"))
    assert found["host"].state is State.PROBLEM
    assert says in found["host"].found
    assert found["sign-in"].state is State.NOT_TRIED


async def test_a_host_that_speaks_no_tls_is_told(simulate, said):
    """An address of https that leads to something else."""
    simulator = await simulate(clock=utc_now)
    found = await found_by(**said(simulator, service=simulator.url.replace("http:", "https:")))
    assert found["host"].state is State.PROBLEM
    assert "TLS" in found["host"].found


async def test_a_certificate_that_nobody_vouches_for_is_a_problem(monkeypatch):
    """It names the way out for those behind a proxy of their own; by that way the certificate is good."""
    certificate = Path(__file__).parents[1] / "fixtures" / "localhost.pem"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await check_connection(f"https://localhost:{port}/ws", timeout=5)
        assert found.state is State.PROBLEM
        assert "certificate cannot be verified (self-signed certificate)" in found.found
        assert "SSL_CERT_FILE" in found.advice
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        found = await check_connection(f"https://localhost:{port}/ws", timeout=5)
        assert found.state is State.OK, found.found
        assert "with TLSv1.3; its certificate is valid until" in found.found


@pytest.mark.parametrize("kind", FaultKind)
async def test_no_fault_of_the_service_brings_out_the_password(simulate, said, kind):
    """Neither plain, nor as it stands in a header, nor as in a URL."""
    simulator = await simulate(clock=utc_now)
    simulator.faults.add(Fault(kind=kind, seconds=0.0, status=503))
    password = "Wrong/Meter@1"
    # What never ends is waited for until the time is up: a short time, for each of the calls.
    patience = {"timeout": "1s"} if kind is FaultKind.TRICKLE else {}
    found = repr(await found_by(**said(simulator, password=password, **patience)))
    pair = f"{simulator.username}:{password}".encode()
    for secret in (password, base64.b64encode(pair).decode(), base64.b64encode(password.encode()).decode()):
        assert secret not in found
    assert quote(password, safe="") not in found


async def test_places_that_cannot_be_used_are_problems(simulate, said, tmp_path):
    """A folder that is not there, an address that is not ours."""
    found = await found_by(
        **said(await simulate(clock=utc_now)),
        heartbeat=tmp_path / "nowhere" / "beat",
        pause_file=tmp_path / "nowhere" / "pause",
        listen="192.0.2.1:9090",
    )
    for check in ("heartbeat", "pause file", "listen"):
        assert found[check].state is State.PROBLEM, check
        assert found[check].advice


async def test_what_somebody_should_know_is_a_warning(simulate, said, tmp_path, monkeypatch):
    """A pause, a port in use, a password that everybody can read, a variable that nobody reads."""
    simulator = await simulate(clock=utc_now)
    (tmp_path / "pause").touch()
    (tmp_path / "password").write_text(simulator.password)
    (tmp_path / "password").chmod(0o644)
    monkeypatch.setenv("PM_AUTOACCEPT_PASSWORD_FILE", str(tmp_path / "password"))
    monkeypatch.setenv("PM_AUTOACCEPT_INTERVALL", "60s")
    settings = said(simulator, pause_file=tmp_path / "pause", listen=simulator.url.split("/")[2])
    del settings["password"]
    found = await found_by(**settings)
    for check in ("pause file", "listen", "password file", "environment"):
        assert found[check].state is State.WARNING, check
        assert found[check].advice
    assert "did you mean `PM_AUTOACCEPT_INTERVAL`" in found["environment"].found
    (tmp_path / "password").chmod(0o600)
    assert (await found_by(**settings))["password file"].state is State.OK


INVISIBLE = [
    (" {}", "starts or ends with a space"),
    ("{} ", "starts or ends with a space"),
    ("{}\u00a0", "starts or ends with a space"),
    ("{}\t\n", "starts or ends with a space"),
    ("{}\u200b", "an invisible character, U+200B"),
    ("\u2060{}", "an invisible character, U+2060"),
]


@pytest.mark.parametrize("case", INVISIBLE)
async def test_invisible_characters_in_a_password_are_a_warning(simulate, said, tmp_path, monkeypatch, case):
    """They may be meant, so they are sent; more likely they were copied along."""
    password, says = case
    simulator = await simulate(clock=utc_now)
    (tmp_path / "password").write_text(password.format(simulator.password), encoding="utf-8")
    monkeypatch.setenv("PM_AUTOACCEPT_PASSWORD_FILE", str(tmp_path / "password"))
    settings = said(simulator)
    del settings["password"]
    found = await found_by(**settings)
    assert "password" in found, "doctor says nothing of it"
    assert found["password"].state is State.WARNING
    assert says in found["password"].found
    assert simulator.password not in found["password"].found


@pytest.mark.parametrize("content", [b"no database", b""])
async def test_what_is_no_ledger_is_told(simulate, said, tmp_path, content):
    """It is neither made nor migrated: an empty file is a damaged ledger, never a new one."""
    (tmp_path / "ledger.db").write_bytes(content)
    finding = (await found_by(**said(await simulate(clock=utc_now))))["ledger"]
    assert (finding.state, bool(finding.advice)) == (State.PROBLEM, True)
    assert (tmp_path / "ledger.db").read_bytes() == content


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
async def test_a_ledger_that_others_can_read_is_a_warning(simulate, said, tmp_path, mode, warns):
    """Its mode stays as it is: whoever lets a group read it means that."""
    settings = said(await simulate(clock=utc_now))
    async with at_work(load_accounts(**settings).accounts[0]):
        pass
    ledger = tmp_path / "ledger.db"
    ledger.chmod(mode)
    found = await found_by(**settings)
    told = [f"{each.found} {each.advice}" for each in found.values() if each.state is State.WARNING]
    assert [f"chmod o= {ledger}" in text for text in told] == [True] * warns
    assert ledger.stat().st_mode & 0o777 == mode


async def test_a_ledger_with_two_names_is_a_warning(simulate, said, tmp_path):
    """By another name its log is not found: what stands in it would be lost."""
    settings = said(await simulate(clock=utc_now))
    async with at_work(load_accounts(**settings).accounts[0]):
        pass
    (tmp_path / "another.db").hardlink_to(tmp_path / "ledger.db")
    told = [each.found for each in (await found_by(**settings)).values() if each.state is State.WARNING]
    assert ["hard links" in text for text in told] == [True]


async def test_a_ledger_in_a_folder_that_is_not_there_is_a_problem(simulate, said, tmp_path):
    """It is not made."""
    found = await found_by(**said(await simulate(clock=utc_now), ledger=f"sqlite:///{tmp_path}/nowhere/ledger.db"))
    assert found["ledger"].state is State.PROBLEM
    assert not (tmp_path / "nowhere").exists()


async def test_a_ledger_of_another_account_is_a_problem(simulate, said):
    """A ledger never changes hands."""
    async with at_work(load_accounts(**said(await simulate(clock=utc_now))).accounts[0]):
        pass
    other = await simulate(seed=8, clock=utc_now)
    found = await found_by(**said(other))
    assert found["ledger's account"].state is State.PROBLEM


async def test_a_ledger_that_somebody_writes_for_long_is_a_warning(simulate, said, tmp_path, monkeypatch):
    """It is not waited for without end."""
    monkeypatch.setattr(doctor_records, "LOCK_TIMEOUT_S", 0.0)
    settings = said(await simulate(clock=utc_now))
    async with at_work(load_accounts(**settings).accounts[0]):
        pass
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert (await found_by(**settings))["ledger writable"].state is State.WARNING


@pytest.mark.parametrize(("free", "state"), [(10**8 - 1, State.PROBLEM), (10**9 - 1, State.WARNING), (10**9, State.OK)])
async def test_a_full_disk_is_told_before_it_is_full(simulate, said, monkeypatch, free, state):
    """Without the ledger nothing is answered."""
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr(doctor_records.shutil, "disk_usage", lambda _folder: usage)
    assert (await found_by(**said(await simulate(clock=utc_now))))["ledger's disk"].state is state


async def test_a_password_that_was_refused_lately_is_not_tried(simulate, said, tmp_path):
    """As the ledger has it, whoever tried; another password is tried, and that it was taken is all that is added."""
    simulator = await simulate(clock=utc_now)
    settings = said(simulator, password="Wrong-Meter-1")
    with pytest.raises(NotAuthorised):
        async with at_work(load_accounts(**settings).accounts[0]):
            pass
    before, seen = rows(tmp_path / "ledger.db"), len(simulator.log.calls)

    finding = (await found_by(**settings))["sign-in"]

    assert (finding.state, finding.found[:9]) == (State.PROBLEM, "not tried")
    assert "are tried at once" in finding.advice
    assert len(simulator.log.calls) == seen
    assert (await found_by(**said(simulator)))["sign-in"].state is State.OK
    assert rows(tmp_path / "ledger.db") == before


async def test_pending_does_not_try_a_password_that_was_refused_lately(simulate, said):
    """Looking is no way around the wait."""
    simulator = await simulate(clock=utc_now)
    account = load_accounts(**said(simulator, password="Wrong-Meter-1")).accounts[0]
    with pytest.raises(NotAuthorised):
        async with at_work(account):
            pass
    seen = len(simulator.log.calls)
    with pytest.raises(NotAuthorised, match="not tried"):
        await load_preview(account)
    assert len(simulator.log.calls) == seen


async def test_a_ledger_in_postgresql_is_examined_without_being_changed(simulate, said, postgres, monkeypatch):
    """Without tables, with them, and with a user who may not write them; its password is never shown."""
    address = postgres.database()
    simulator = await simulate(clock=utc_now)
    found = await found_by(**said(simulator, ledger=address))
    assert found["ledger"].state is State.WARNING
    assert "no ledger tables" in found["ledger"].found
    await (await Database.open(address)).close()

    found = await found_by(**said(simulator, ledger=address))
    assert [found[check].state for check in ("ledger", "ledger writable", "ledger's account")] == [State.OK] * 3
    assert "ledger's disk" not in found

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'Wrong-Meter-1'")
        connection.execute("GRANT USAGE ON SCHEMA public TO reader")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
    reader = address.replace("postgres@", "reader@")
    assert reader != address
    monkeypatch.setenv("PM_AUTOACCEPT_LEDGER_PASSWORD", "Wrong-Meter-1")
    found = await found_by(**said(simulator, ledger=reader))
    assert found["ledger writable"].state is State.PROBLEM
    assert "may not write" in found["ledger writable"].found
    assert found["sign-in"].state is State.OK
    assert found["refused passwords"].state is State.WARNING
    found = await found_by(**said(simulator, ledger=reader, password="Wrong-Meter-1"))
    assert found["sign-in"].state is State.NOT_TRIED
    assert "a refusal could not be recorded" in found["sign-in"].found
    assert "Wrong-Meter-1" not in repr(found)

    found = await found_by(**said(simulator, ledger=reader.replace("/ledger_", "/no_ledger_")))
    assert found["ledger"].state is State.PROBLEM
    assert "Wrong-Meter-1" not in repr(found)


@pytest.fixture
def two_accounts(tmp_path, said):
    """A settings file with two accounts on a simulator, one of which has no password."""

    def write(simulator):
        said(simulator)
        (tmp_path / "secret").write_text(simulator.password)
        (tmp_path / "settings.yaml").write_text(
            f"ledger: sqlite:///ledger.db\nrate: none\nservice: {simulator.url}\npolicy: policy\naccounts:\n"
            f"  good: {{username: {simulator.username}, password_file: secret}}\n"
            "  bad: {username: other, password_file: nowhere}\n"
        )
        return "doctor", "--settings", "settings.yaml"

    return write


async def test_the_command_shows_each_setting_with_its_origin_and_no_secret(simulate, two_accounts, tmp_path):
    """Of several accounts one is broken: the others are examined, and the exit code is 1."""
    simulator = await simulate(clock=utc_now)
    done = await asyncio.to_thread(run, *two_accounts(simulator), "--output", "json", cwd=tmp_path)
    told = json.loads(done.stdout)
    settings = {(each["account"], each["setting"]): (each["value"], each["origin"]) for each in told["settings"]}
    assert settings["good", "password"] == ("***", "settings.yaml:6 (password_file secret)")
    assert settings["good", "rate"] == ("none", "settings.yaml:2")
    assert settings[None, "lease"] == ("2m", "default")
    assert {each["account"] for each in told["checks"]} == {None, "good"}
    assert (done.returncode, told["problems"]) == (1, 1)
    assert simulator.password not in done.stdout + done.stderr


async def test_the_command_tells_people_what_to_do(simulate, two_accounts, tmp_path):
    """Text says the same, and a password that is wrong is not shown either."""
    simulator = await simulate(clock=utc_now)
    arguments = two_accounts(simulator)
    (tmp_path / "secret").write_text("Wrong-Meter-1")
    done = await asyncio.to_thread(run, *arguments, cwd=tmp_path)
    assert done.returncode == 1
    assert "settings.yaml:7:41: cannot read the file nowhere" in done.stdout
    assert "�" not in done.stdout
    assert "test and live have separate accounts" in done.stdout
    assert "2 problems" in done.stdout
    assert "Wrong-Meter-1" not in done.stdout + done.stderr


async def test_data_of_a_database_is_tried(simulate, said, tmp_path):
    """Doctor asks the connection that the policy names, says how many rows came, and shows its address."""
    with sqlite3.connect(tmp_path / "billing.db") as connection:
        connection.execute("CREATE TABLE accounts (n TEXT)")
        connection.execute("INSERT INTO accounts VALUES ('1'), ('2'), (NULL)")
    connection.close()
    settings = tmp_path / "settings.yaml"
    settings.write_text("connections: {billing: {url: sqlite:///billing.db}}\n")
    (tmp_path / "policy" / "data.yaml").write_text(
        "version: 1\ndata:\n"
        "  known: {sql: {connection: billing, query: select n from accounts}, key: n}\n"
        "  other: {sql: {connection: crm, query: select n from accounts}, key: n}\n"
    )
    simulator = await simulate(clock=utc_now)
    found = await found_by(settings=settings, **said(simulator))
    assert (found["data known"].state, found["data known"].found) == (State.OK, "2 rows, 1 more without a key")
    assert found["data other"].state is State.PROBLEM
    assert "no connection with this name under `connections`; known connections: billing" in found["data other"].found
