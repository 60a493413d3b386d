"""The way out through a real proxy, to a simulator behind TLS whose name only the proxy knows where to find."""

from __future__ import annotations

import asyncio
import base64
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from click.testing import CliRunner

from pm_autoaccept.account import places
from pm_autoaccept.cli import cli
from pm_autoaccept.clock import utc_now
from pm_autoaccept.config import load_accounts, load_settings
from pm_autoaccept.daemon import Stop
from pm_autoaccept.daemon import run as run_daemon
from pm_autoaccept.data_sources.fetch import read_source
from pm_autoaccept.doctor import Finding, examine
from pm_autoaccept.errors import NotAuthorised, PmAutoacceptError
from pm_autoaccept.ledger import Database
from pm_autoaccept.model import NotLearnt, Outcome
from pm_autoaccept.policy import Form, Source, Table
from pm_autoaccept.simulator import Simulator
from pm_autoaccept.telemetry.logs import LogFormat, LogLevel, configure_logs
from tests.acceptance.processes import run
from tests.connect_proxy import CERTIFICATE, REFUSED, ConnectProxy, behind_tls, trust
from tests.examples import at_work
from tests.reloading import events
from tests.secrets import forms, kept_in
from tests.stops import Rounds

EPA = "portfoliomanager.energystar.gov:443"
USER, PASSWORD = "proxy user", "Pröxy/& +<42>@"
"""They look different in each of their forms."""
PAIR = f"{USER}:{PASSWORD}"

REJECT = """\
version: 1
rules:
  - {id: turn-away, on: [connection, property, meter], when: always, then: reject, note: Please ask us first.}
limits: {reject: none}
"""
WITH_DATA = """\
version: 1
data:
  one: {url: 'https://data.example.test/one.csv?key=s3cret', key: n}
  two: {url: 'https://data.example.test/two.csv', key: n}
rules:
  - {id: known, on: connection, when: {account.username: {in: one}}, then: hold}
"""
SERVED = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 4\r\n\r\nn\n1\n"


@dataclass
class Behind:
    """A simulator in EPA's place, and a server of data, both behind a proxy.

    Attributes:
        said: settings that name EPA's test service.
    """

    simulator: Simulator
    proxy: ConnectProxy
    said: dict[str, Any]
    data: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The proxy's, with username and password where it wants them."""
        user, colon, password = (self.proxy.credentials or "").partition(":")
        return f"http://{quote(user)}{colon}{quote(password, safe='')}{'@' * bool(colon)}127.0.0.1:{self.proxy.port}"

    @property
    def posts(self) -> int:
        """How many answers reached the service."""
        return sum(call.method == "POST" for call in self.simulator.log.calls)

    def settings(self, **more: Any) -> Any:
        """The settings of the one account."""
        return load_settings(**self.said | more)


@pytest.fixture
async def behind(simulate, said_of, until_the_end: AsyncExitStack, monkeypatch, tmp_path) -> Behind:
    """All that is behind the proxy, with its certificate trusted as by SSL_CERT_FILE when the program starts."""
    simulator = await simulate(clock=utc_now)
    data: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            data.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(SERVED)
        writer.close()

    server = await until_the_end.enter_async_context(await asyncio.start_server(serve, "127.0.0.1", 0))
    plain = server.sockets[0].getsockname()[1]
    hosts = {
        EPA: await until_the_end.enter_async_context(behind_tls(int(simulator.root_url.rpartition(":")[2]))),
        "data.example.test:443": await until_the_end.enter_async_context(behind_tls(plain)),
        "data.example.test:80": plain,
    }
    proxy = await until_the_end.enter_async_context(ConnectProxy(hosts).serving())
    # aiohttp reads SSL_CERT_FILE once, when it is imported.
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trust())
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    said = said_of(simulator, service="test", rate="1000 per 1s", mode="enforce")
    (tmp_path / "policy" / "policy.yaml").write_text(REJECT)
    await make_ledger(tmp_path / "ledger.db")
    return Behind(simulator, proxy, said, data)


async def make_ledger(path: Path) -> None:
    """A ledger from before: one that has just been made waits five minutes for the first answer."""
    await (await Database.open(f"sqlite:///{path}")).close()
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.execute("UPDATE ledger SET made_at = NULL")


@pytest.fixture
def give(behind, monkeypatch) -> Callable[[str], Any]:
    """Give a command in this process, with the settings in the environment; what it says, and its exit code."""
    monkeypatch.setattr(Stop, "on_signals", lambda _stop: nullcontext())  # they come to a main thread only

    async def give(words: str) -> tuple[str, int]:
        for name, value in behind.said.items():
            monkeypatch.setenv(f"PM_AUTOACCEPT_{name.upper()}", str(value))
        result = await asyncio.to_thread(CliRunner().invoke, cli, words.split(), standalone_mode=False)
        error = result.exception
        assert error is None or isinstance(error, PmAutoacceptError), (result.output, error)
        return f"{result.output}\n{error!r}\n{error}", result.return_value if error is None else error.exit_code

    return give


async def no_wait(_seconds: float) -> None:
    """Wait for nothing."""


VARIABLES = ["PM_AUTOACCEPT_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]


@pytest.mark.parametrize("credentials", [None, PAIR], ids=["open", "with a password"])
@pytest.mark.parametrize("variable", VARIABLES)
async def test_a_whole_cycle_goes_through_the_proxy(behind, monkeypatch, variable, credentials):
    """Reads and answers; the password comes as it was before it was escaped, with each CONNECT and nowhere else."""
    behind.proxy.credentials = credentials
    monkeypatch.setenv(variable, behind.address)
    with suppress(PmAutoacceptError):
        async with at_work(behind.settings(), sleep=no_wait) as cycle:
            await cycle.answer(await cycle.look())
    assert {(each.method, each.target, each.credentials) for each in behind.proxy.asked} == {
        ("CONNECT", EPA, credentials)
    }
    assert behind.posts > 0
    assert not any("proxy-authorization" in str(call).lower() for call in behind.simulator.log.calls)


@pytest.mark.parametrize(
    ("no_proxy", "through"),
    [
        ("", {EPA, "data.example.test:443"}),
        ("energystar.gov.example.test, .other.test", {EPA, "data.example.test:443"}),
        ("data.example.test:8443", {EPA, "data.example.test:443"}),
    ],
)
async def test_what_no_proxy_does_not_name_goes_through_it_and_this_machine_never_does(
    behind, monkeypatch, no_proxy, through, tmp_path
):
    """The policy's data go the same way as the service; a service on this machine is reached directly."""
    monkeypatch.setenv("https_proxy", behind.address)
    monkeypatch.setenv("HTTP_PROXY", behind.address)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    (tmp_path / "policy" / "policy.yaml").write_text(WITH_DATA)
    with suppress(PmAutoacceptError):
        async with at_work(behind.settings(), sleep=no_wait) as cycle:
            assert set(cycle.tables) == {"one", "two"}
    assert {each.target for each in behind.proxy.asked} == through
    asked = len(behind.proxy.asked)
    (tmp_path / "policy" / "policy.yaml").write_text(REJECT)
    calls = len(behind.simulator.log.calls)
    for service in (behind.simulator.url, behind.simulator.url.replace("127.0.0.1", "localhost")):
        settings = behind.settings(service=service, ledger="sqlite://", mode="observe")
        async with at_work(settings, sleep=no_wait) as cycle:
            await cycle.look()
    assert len(behind.simulator.log.calls) > calls
    assert len(behind.proxy.asked) == asked


async def test_data_over_plain_http_sign_in_to_the_proxy_with_each_request(behind, monkeypatch):
    """There is no CONNECT; the proxy's password goes to the proxy and no further."""
    behind.proxy.credentials = PAIR
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", behind.address)
    source = Source(name="one", form=Form.URL, url="http://data.example.test/one.csv?key=s3cret", key=("n",))
    reading = await read_source(source, places(behind.settings()))
    asked = [(each.method, each.target, each.credentials) for each in behind.proxy.asked]
    assert asked == [("GET", "http://data.example.test/one.csv?key=s3cret", PAIR)]
    assert isinstance(reading.table, Table)
    assert not any(b"authorization" in request.lower() for request in behind.data)

    behind.proxy.credentials = "somebody:else"
    way = places(behind.settings())
    learnt = [(await read_source(source, way)).table for _ in range(3)]
    assert behind.proxy.tries == 2
    assert all(isinstance(each, NotLearnt) and "the proxy" in each.why for each in learnt)
    assert not any("s3cret" in str(each) for each in learnt)


CONNECT_FAILS = {
    "asks for a password": b"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate, NTLM\r\nContent-Length: 0\r\n\r\n",
    "forbidden": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\n<html>no",
    "redirects": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "bad gateway": b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<html>",
    "unavailable": b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
    "hangs up": b"",
    "half a head": b"HTTP/1.1 200 Conn",
    "another protocol": b"SSH-2.0-OpenSSH\r\n\r\n",
    "says 200 and hangs up": b"HTTP/1.1 200 OK\r\n\r\n",
    "says 200 and speaks no TLS": b"HTTP/1.1 200 OK\r\n\r\n<html>welcome</html>",
}


async def test_portfolio_managers_password_never_goes_to_the_proxy(behind, monkeypatch):
    """Whatever the proxy asks for: aiohttp would hand it a session's own Authorization."""
    monkeypatch.setenv("HTTPS_PROXY", behind.address)
    heard: list[bytes] = []
    behind.proxy.hears = heard.append
    for answer in (None, REFUSED):
        behind.proxy.answer = answer
        with suppress(PmAutoacceptError):
            async with at_work(behind.settings(), sleep=no_wait) as cycle:
                await cycle.look()
    assert heard, "the proxy was not asked"
    assert [
        form for form in forms(behind.simulator.username, behind.simulator.password) if form in b"".join(heard)
    ] == []


@pytest.mark.parametrize("answer", CONNECT_FAILS.values(), ids=CONNECT_FAILS)
async def test_an_answer_that_the_proxy_does_not_let_through_was_surely_not_sent(behind, monkeypatch, answer):
    """Nothing is of unknown fate, the note says that it was the proxy, and the next cycle sends the same once."""
    monkeypatch.setenv("HTTPS_PROXY", behind.address)
    receipts: tuple[Any, ...] = ()
    with suppress(PmAutoacceptError):
        async with at_work(behind.settings(in_flight=1), sleep=no_wait) as cycle:
            planned = await cycle.look()
            behind.proxy.answer = answer
            behind.proxy.hang_up()
            receipts = await cycle.answer(planned)
            assert behind.posts == 0
            behind.proxy.answer = None
            assert {receipt.outcome for receipt in await cycle.answer(await cycle.look())} == {Outcome.DONE}
    assert receipts, "nothing was answered at all"
    assert not {receipt.outcome for receipt in receipts} & {Outcome.OPEN, Outcome.DONE}
    assert all("proxy" in receipt.text for receipt in receipts if receipt.outcome is not None)


async def test_a_proxy_that_refuses_the_password_within_a_cycle_stops_the_account(behind, monkeypatch):
    """The answer was not sent, and no other is tried; the password of Portfolio Manager is none the worse for it."""
    behind.proxy.credentials = PAIR
    monkeypatch.setenv("HTTPS_PROXY", behind.address)
    raised: list[NotAuthorised] = []
    try:
        async with at_work(behind.settings(), sleep=no_wait) as cycle:
            planned = await cycle.look()
            behind.proxy.credentials = "proxy user:another"
            behind.proxy.hang_up()
            behind.proxy.asked.clear()
            await cycle.answer(planned)
    except NotAuthorised as error:
        raised.append(error)
    except PmAutoacceptError:
        pass
    assert raised, "nobody was told that the proxy refused the password"
    assert "proxy" in str(raised[0])
    assert raised[0].until is not None
    assert raised[0].until - utc_now() < timedelta(minutes=16)
    assert 1 <= behind.proxy.tries <= behind.settings().in_flight
    assert behind.posts == 0
    # The right password of the proxy is another one, and Portfolio Manager's was never refused.
    monkeypatch.setenv("HTTPS_PROXY", behind.address)
    async with at_work(behind.settings(), sleep=no_wait) as cycle:
        assert {receipt.outcome for receipt in await cycle.answer(await cycle.look())} == {Outcome.DONE}


COMMANDS = ("once", "doctor", "pending", "explain connection:1", "data", "check --live", "data confirm one", "once")
QUICK = ("doctor", "data")
"""They try nothing a second time."""


async def test_a_wrong_proxy_password_is_tried_once_by_all_commands_together(behind, give, monkeypatch, tmp_path):
    """The ledger remembers it, as it does Portfolio Manager's: a monitor that asks each minute locks no account."""
    behind.proxy.credentials = PAIR
    monkeypatch.setenv("HTTPS_PROXY", behind.address.replace(quote(PASSWORD, safe=""), "Wrong-1"))
    (tmp_path / "policy" / "policy.yaml").write_text(WITH_DATA)
    tries = {}
    for number, words in enumerate(COMMANDS):
        before = behind.proxy.tries
        told, code = await give(words)
        tries[f"{number} {words}"] = behind.proxy.tries - before
        assert "Wrong-1" not in told
        assert code != 0 or words.startswith("data"), told
    assert list(tries.values()) == [1, *[0] * (len(COMMANDS) - 1)], tries
    assert not behind.simulator.log.calls


async def test_a_wrong_proxy_password_is_tried_rarely_by_run(behind, monkeypatch, tmp_path):
    """15 minutes, an hour, two … a day, data and service together; another password is tried at once."""
    behind.proxy.credentials = PAIR
    wrong = tmp_path / "proxy-password"
    wrong.write_text("Wrong-1")
    monkeypatch.setenv("PM_AUTOACCEPT_PROXY", f"http://{quote(USER)}@127.0.0.1:{behind.proxy.port}")
    monkeypatch.setenv("PM_AUTOACCEPT_PROXY_PASSWORD_FILE", str(wrong))
    (tmp_path / "policy" / "policy.yaml").write_text(WITH_DATA)
    tried: list[datetime] = []

    def read_again(_name: str) -> Any:
        if behind.proxy.tries > len(tried):
            tried.append(stop.now())
        if len(tried) >= 6:
            wrong.write_text(PASSWORD)
        return behind.settings()

    with structlog.testing.capture_logs() as logged:
        stop = Rounds(enough=lambda: bool(behind.data) or events(logged).count("sign_in_failed") > 9)
        with suppress(PmAutoacceptError):
            await run_daemon(load_accounts(**behind.said), stop=stop, read_again=read_again, now=stop.now)
    waited = [round((after - before) / timedelta(hours=1), 1) for before, after in pairwise(tried)]
    assert waited == [0.2, 1.0, 2.0, 4.0, 8.0]
    told = [name for name in events(logged) if name in {"proxy_not_authorised", "not_authorised", "signed_in"}]
    assert told == [*["proxy_not_authorised"] * 6, "signed_in"]
    assert behind.data, "the data's way out still had the old password"
    assert "Wrong-1" not in str(logged)


async def test_accounts_that_share_a_proxy_share_its_one_try(behind, monkeypatch, tmp_path):
    """Ten accounts that start together are no ten wrong passwords."""
    behind.proxy.credentials = PAIR
    accounts = "".join(
        f"  a{number}: {{service: test, username: u{number}, password_file: secret, policy: policy}}\n"
        for number in range(10)
    )
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "settings.yaml").write_text(f"ledger: sqlite:///ledger.db\naccounts:\n{accounts}")
    monkeypatch.setenv("HTTPS_PROXY", behind.address.replace(quote(PASSWORD, safe=""), "Wrong-1"))
    with structlog.testing.capture_logs() as logged:
        refused = ("proxy_not_authorised", "sign_in_failed")
        stop = Rounds(enough=lambda: sum(name in refused for name in events(logged)) >= 10)
        with suppress(PmAutoacceptError):
            await run_daemon(load_accounts(settings=tmp_path / "settings.yaml"), stop=stop, now=utc_now)
    assert behind.proxy.tries == 1
    assert not behind.simulator.log.calls


FAULTS = {
    "none": {},
    "wrong password": {"credentials": "somebody:else"},
    "bad gateway": {"answer": CONNECT_FAILS["bad gateway"]},
    "hangs up": {"answer": b""},
    "no TLS": {"answer": CONNECT_FAILS["says 200 and speaks no TLS"]},
    "gone": {"port": 1},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_the_proxys_password_is_nowhere(behind, give, monkeypatch, capsys, fault):
    """Neither in what commands say, nor in the log at debug level with its tracebacks, nor in the ledger."""
    behind.proxy.credentials = PAIR
    monkeypatch.setenv("PM_AUTOACCEPT_LOG_LEVEL", "debug")
    (behind.said["policy"] / "policy.yaml").write_text(WITH_DATA)
    for name, value in FAULTS[fault].items():
        setattr(behind.proxy, name, value)
    address = f"http://{quote(USER)}:{quote(PASSWORD, safe='')}@127.0.0.1:{behind.proxy.port}"
    monkeypatch.setenv("HTTPS_PROXY", address)
    monkeypatch.setenv("PM_AUTOACCEPT_PROXY", address)
    told = [str(await give(words)) for words in (COMMANDS if fault in {"none", "wrong password"} else QUICK)]
    configure_logs(LogLevel.DEBUG, LogFormat.JSON)
    program = load_accounts(**behind.said)
    with suppress(PmAutoacceptError):
        await run_daemon(program, stop=Rounds(after=2))
    logged = capsys.readouterr()
    told += [repr(program), str(program), logged.err, logged.out]
    everything = b"".join([*(each.encode() for each in told), kept_in(behind.said["ledger"])])
    assert behind.proxy.asked or b"through the proxy" in everything, "the proxy was not asked"
    assert [form for form in forms(USER, PASSWORD) if form in everything] == []
    assert base64.b64encode(PAIR.encode()) not in everything


async def found_by(**said: Any) -> dict[str, Finding]:
    """What doctor finds, by check."""
    return {finding.check: finding async for finding in examine(load_accounts(**said))}


@pytest.mark.parametrize("credentials", [None, PAIR], ids=["open", "with a password"])
async def test_doctor_says_which_proxy_and_which_authorities(behind, monkeypatch, tmp_path, credentials):
    """For the service and for each address of the policy's data; no secret, and by one way with `run`."""
    behind.proxy.credentials = credentials
    monkeypatch.setenv("HTTPS_PROXY", behind.address)
    monkeypatch.setenv("NO_PROXY", "intranet.example.test")
    (tmp_path / "policy" / "policy.yaml").write_text(
        WITH_DATA.replace("https://data.example.test/two.csv", "https://127.0.0.1:1/two.csv")
    )
    found = await found_by(**behind.said)
    said = {check: finding.found for check, finding in found.items()}
    proxy = f"http://127.0.0.1:{behind.proxy.port} (HTTPS_PROXY)"
    ending = "" if credentials is None else ", with username and password"
    assert said.get("proxy") == f"portfoliomanager.energystar.gov is reached through {proxy}{ending}"
    assert said["proxy for data one"] == f"data.example.test is reached through {proxy}{ending}"
    assert said["proxy for data two"] == "127.0.0.1 is reached directly: it is on this machine"
    assert f"port 443 is reachable, through the proxy {proxy}, with TLSv1.3" in said["host"]
    assert f"{CERTIFICATE} (SSL_CERT_FILE)" in said["certificate authorities"]
    assert {found[check].state.value for check in ("proxy", "host", "sign-in", "pending meters")} == {"ok"}
    assert found["data one"].state.value == "ok"
    assert PASSWORD not in str(found)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (CONNECT_FAILS["forbidden"], "answered 403 Forbidden to CONNECT"),
        (CONNECT_FAILS["asks for a password"], "it asks for Negotiate, NTLM, and this program signs in by Basic only"),
        (CONNECT_FAILS["hangs up"], "the proxy closed the connection"),
        (CONNECT_FAILS["says 200 and hangs up"], "the connection was closed"),
    ],
)
async def test_doctor_says_what_is_wrong_with_the_proxy(behind, monkeypatch, answer, says):
    """The host's check names the proxy and its answer, and what needs the host is not tried."""
    behind.proxy.answer = answer
    monkeypatch.setenv("HTTPS_PROXY", behind.address)
    found = await found_by(**behind.said)
    assert says in found["host"].found
    assert f"127.0.0.1:{behind.proxy.port}" in found["host"].found
    assert found["host"].state.value == "problem"
    assert found["sign-in"].state.value == "not tried"


@pytest.mark.parametrize("names", ["nowhere.pem", "empty.pem"])
async def test_an_authority_file_that_is_none_is_a_problem(simulate, said_of, monkeypatch, tmp_path, names):
    """OpenSSL passes over it in silence, and then no certificate can be verified."""
    (tmp_path / "empty.pem").write_text("no certificate")
    (tmp_path / "policy" / "policy.yaml").write_text(REJECT)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / names))
    found = await found_by(**said_of(await simulate()))
    checked = found.get("certificate authorities")
    assert checked is not None, "doctor does not say which authorities it trusts"
    assert checked.state.value == "problem"
    assert names in checked.found


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_real_processes_with_the_usual_variables(simulate, tmp_path, until_the_end, tls):
    """SSL_CERT_FILE, HTTPS_PROXY and a password, as an operator sets them: `once` answers, and `doctor` is content."""
    simulator = await simulate(clock=utc_now)
    front = await until_the_end.enter_async_context(behind_tls(int(simulator.root_url.rpartition(":")[2])))
    proxy = await until_the_end.enter_async_context(ConnectProxy({EPA: front}, PAIR).serving(tls=tls))
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "policy.yaml").write_text(REJECT)
    address = f"{quote(USER)}:{quote(PASSWORD, safe='')}@localhost:{proxy.port}"
    variables = {
        "HTTPS_PROXY": f"https://{address}" if tls else address,
        "SSL_CERT_FILE": str(CERTIFICATE),
        "PM_AUTOACCEPT_SERVICE": "test",
        "PM_AUTOACCEPT_USERNAME": simulator.username,
        "PM_AUTOACCEPT_PASSWORD": simulator.password,
        "PM_AUTOACCEPT_POLICY": "policy",
        "PM_AUTOACCEPT_MODE": "enforce",
        "PM_AUTOACCEPT_RATE": "1000 per 1s",
    }
    await make_ledger(tmp_path / "pm-autoaccept.db")
    once = await asyncio.to_thread(run, "once", cwd=tmp_path, **variables)
    assert {each.target for each in proxy.asked} == {EPA}, once.stderr
    assert once.returncode == 0, once.stderr
    assert any(call.method == "POST" for call in simulator.log.calls)
    doctor = await asyncio.to_thread(run, "doctor", cwd=tmp_path, **variables)
    assert doctor.returncode == 0, doctor.stdout
    assert f"localhost:{proxy.port} (HTTPS_PROXY)" in " ".join(doctor.stdout.split())
    assert PASSWORD not in doctor.stdout + doctor.stderr + once.stdout + once.stderr
