"""No address of the settings or of a policy is shown with user information or query values, whoever speaks of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pm_autoaccept.config import list_settings, load_accounts
from pm_autoaccept.data_sources.http_source import read_url
from pm_autoaccept.data_sources.sql_source import read_query
from pm_autoaccept.errors import ConfigurationError, LedgerError, PolicyRefused
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import NotLearnt
from pm_autoaccept.policy import load
from pm_autoaccept.portfolio_manager import PortfolioManager, RateLimiter
from tests.acceptance.processes import run

USER, PASSWORD, TOKEN = "Qwriter", "Zs3cr3t", "XtokenX42"
KNOWN = {"service": "test", "username": "prairie_power", "password": "p", "policy": "/policy"}

DATABASES = (
    f"postgresql://{USER}:{PASSWORD}@127.0.0.1:1/db",
    f"postgresql://:{PASSWORD}@127.0.0.1:1/db",
    f"postgresql://{USER}@127.0.0.1:1/db?sslpassword={PASSWORD}",
    f"postgresql://{USER}@127.0.0.1:1/db?password={PASSWORD}",
    f"postgresql://{USER}@127.0.0.1:1/db?pass%77ord={PASSWORD}",
    f"postgresql://{USER}@127.0.0.1:1/db?sslmode={TOKEN}",
    f"postgresql://127.0.0.1:1/db?user={USER}&passfile=/{TOKEN}",
    f"postgresql://127.0.0.1:1/db?options=-c%20search_path%3D{TOKEN}",
    f"postgresql://127.0.0.1:1/db?channel_binding={TOKEN}",
    f"postgresql://127.0.0.1:1/db?connect_timeout={TOKEN}",
    f"postgresql://{USER}:{PASSWORD}%2F%40@127.0.0.1:1/db",
    f"postgresql://{USER}:{PASSWORD}/{TOKEN}@127.0.0.1:1/db",
    f"postgresql://{USER}:12/{TOKEN}@127.0.0.1:1/db",
    f"postgresql://{USER}:{PASSWORD}?{TOKEN}@127.0.0.1:1/db",
    f"postgresql://{USER}:{PASSWORD}@{TOKEN}@127.0.0.1:1/db",
    f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{TOKEN}/db",
    f"sqlite://{USER}:{PASSWORD}@{TOKEN}/db",
)
"""A password as user information and in the query, escaped and not, and where libpq repeats what it is given."""


def secrets_in(text: str) -> list[str]:
    """What stands in a text that is never to stand in one."""
    return [secret for secret in (USER, PASSWORD, TOKEN) if secret in text]


@pytest.mark.parametrize("address", DATABASES)
async def test_a_ledger_s_errors_show_nothing_of_its_address(address):
    """Neither ours nor psycopg's and libpq's own words, nor the traceback."""
    told = ""
    try:
        await SqlLedger.open(address)
    except (LedgerError, ConfigurationError) as error:
        told = f"{error!r} {error} {error.__cause__} {None if error.__suppress_context__ else error.__context__}"
    assert told
    assert secrets_in(told) == []


SOURCE = """
version: 1
data: {{accounts: {declared}}}
rules: [{{id: hold, on: connection, when: always, then: hold}}]
"""


def source(declared: str):
    """A data source as a policy declares it."""
    return load({"policy.yaml": SOURCE.format(declared=declared).encode()}).sources["accounts"]


@pytest.mark.parametrize("address", DATABASES)
async def test_a_connection_s_errors_show_nothing_of_its_address(address):
    """Nor where a policy asks a database for data."""
    asked = source("{sql: {connection: x, query: select 1}, key: a}")
    table = read_query(asked, address).table
    assert isinstance(table, NotLearnt)
    assert secrets_in(table.why) == []


async def test_a_user_whom_the_server_does_not_know_is_not_named(postgres):
    """What the server itself answers is a library's text too."""
    address = postgres.database().replace("postgres@", f"{USER}:{PASSWORD}@")
    with pytest.raises(LedgerError) as raised:
        await SqlLedger.open(address)
    assert secrets_in(str(raised.value)) == []
    assert "does not exist" in str(raised.value)


@pytest.mark.parametrize(
    ("setting", "address", "value"),
    [
        (
            "ledger",
            f"postgresql://{USER}:{PASSWORD}@db.internal:5/x?sslpassword={TOKEN}&a=1",
            "postgresql://db.internal:5/x?***",
        ),
        ("ledger", f"postgresql:///x?host=/run&user={USER}&password={PASSWORD}", "postgresql:///x?***"),
        ("service", f"https://{USER}:{PASSWORD}@pm.example/ws?token={TOKEN}", "https://pm.example/ws?***"),
        ("service", f"https://{USER}@pm.example/ws?{TOKEN}#{PASSWORD}", "https://pm.example/ws?***"),
        ("service", f"https://{USER}:12/{PASSWORD}@pm.example/ws", "https://…"),
        ("service", f"https://{USER}:12?{PASSWORD}@pm.example/ws", "https://…"),
    ],
)
def test_settings_show_addresses_without_what_is_secret(monkeypatch, setting, address, value):
    """What `doctor` lists, and what the settings say of themselves."""
    monkeypatch.setenv(f"PM_AUTOACCEPT_{setting.upper()}", address)
    program = load_accounts(**{name: known for name, known in KNOWN.items() if name != setting})
    shown = {each.setting: each.value for each in list_settings(program)}[setting]
    assert secrets_in(f"{shown} {program!r} {program.accounts[0]}") == []
    assert value in shown


@pytest.mark.parametrize(
    "address",
    [
        f"https://{USER}:{PASSWORD}@pm.example/ws",
        f"https://{USER}:12/{PASSWORD}@pm.example/ws",
        f"https://pm.example/ws?token={TOKEN}",
        f"https://pm.example/ws#{TOKEN}",
        f"http://pm.example/ws?{TOKEN}",
    ],
)
def test_a_service_is_refused_with_credentials_or_a_query_in_it(address):
    """They would be sent with each call, or left out in silence; the message does not repeat them."""
    with pytest.raises(ConfigurationError) as raised:
        PortfolioManager(base_url=address, username="u", password="p", rate_limiter=RateLimiter(in_flight=1, rate=None))
    assert secrets_in(str(raised.value)) == []


@pytest.mark.parametrize("output", ["text", "json"])
def test_doctor_shows_no_credentials_that_stand_in_a_service_s_address(tmp_path, output):
    """Nor does any other line of it."""
    settings = {
        "SERVICE": f"http://{USER}:{PASSWORD}@127.0.0.1:1/ws?token={TOKEN}",
        "LEDGER": f"postgresql://{USER}@127.0.0.1:1/ledger?sslpassword={TOKEN}",
        "LEDGER_PASSWORD": PASSWORD,
        "USERNAME": "prairie_power",
        "PASSWORD": "p",
        "POLICY": str(tmp_path),
    }
    variables = {f"PM_AUTOACCEPT_{name}": value for name, value in settings.items()}
    done = run("doctor", "--output", output, cwd=tmp_path, **variables)
    assert "127.0.0.1:1/ws" in done.stdout
    assert secrets_in(done.stdout + done.stderr) == []


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://{USER}:{PASSWORD}/{TOKEN}@localhost/db",
        f"postgresql://{USER}@localhost/db?sslpassword={PASSWORD}",
        f"postgresql://{USER}@localhost/db?pass%77ord={PASSWORD}",
        f"postgresql://:{PASSWORD}@localhost/db",
    ],
)
def test_a_password_on_the_command_line_is_refused_in_whatever_form(address):
    """Every form in which the database's own libraries would find it."""
    told = ""
    try:
        load_accounts(**KNOWN, ledger=address)
    except ConfigurationError as error:
        told = str(error)
    assert "every user of this machine can read" in told
    assert secrets_in(told) == []


def test_a_line_of_a_file_that_is_shown_hides_what_stands_in_its_addresses(tmp_path):
    """A fault shows the line in which it stands, in a policy and in a settings file."""
    url = f"https://data.example/accounts.csv?token={TOKEN}"
    with pytest.raises(PolicyRefused) as raised:
        source(f"{{url: '{url}', key: a, refesh: 1h}}")
    assert secrets_in(str(raised.value)) == []
    assert "data.example/accounts.csv?" in str(raised.value)
    (tmp_path / "settings.yaml").write_text(f"service: [https://pm.example/ws?token={TOKEN}]\n")
    with pytest.raises(ConfigurationError) as refused:
        load_accounts(settings=tmp_path / "settings.yaml")
    assert secrets_in(str(refused.value)) == []


@asynccontextmanager
async def answering(head: str) -> AsyncIterator[str]:
    """The address of a server that gives the same answer to whatever is asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "head",
    [
        f"HTTP/1.1 404 no {TOKEN}\r\nContent-Length: 0\r\n\r\n",
        f"HTTP/1.1 302 Found\r\nLocation: https://u:{PASSWORD}@elsewhere.example/?token={TOKEN}\r\n\r\n",
        f"HTTP/1.1 302 Found\r\nLocation: https://{TOKEN}:{TOKEN}/\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Type: {TOKEN}/x\r\nContent-Length: 0\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 30\r\n\r\nno such token {TOKEN}       \n",
        f"HTTP/1.1 {TOKEN}\r\n\r\n",
    ],
)
async def test_a_data_source_s_errors_show_nothing_of_its_address(head):
    """Where a server repeats what it was asked, leads elsewhere with it, or does not speak HTTP."""
    async with answering(head) as at:
        asked = source(f"{{url: '{at}/accounts.csv?token={TOKEN}&format=csv', key: a}}")
        table = (await read_url(asked)).table
    assert isinstance(table, NotLearnt)
    assert secrets_in(table.why) == []
    assert f"{at}/accounts.csv: " in table.why


async def test_what_is_short_in_a_query_does_not_spoil_other_words():
    """`format=csv` is no secret, and the message that says csv stays readable."""
    async with answering("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n") as at:
        table = (await read_url(source(f"{{url: '{at}/x?format=csv', key: a}}"))).table
    assert "not CSV or text" in table.why


WORDS = st.text(alphabet="JZ:@/?#&=%+ 'é", min_size=1, max_size=8)
"""What may stand in a password; of it nothing but single marks stands in what is open."""


def pieces(text: str) -> set[str]:
    """What of a secret would tell it: its letters, in each of the forms in which they may be written."""
    return {form for form in (text, quote(text, safe=""), quote_plus(text)) if "J" in form or "Z" in form}


@given(user=WORDS, password=WORDS, value=WORDS, escaped=st.booleans())
@example(user="/J", password="Z", value="J", escaped=False)
@example(user="J", password="1/Z", value="J", escaped=False)
def test_whatever_the_user_information_and_the_query_are_the_address_shows_neither(user, password, value, escaped):
    """Also where special characters are not escaped, so that nobody can tell where the password ends."""
    as_written = (lambda text: quote(text, safe="")) if escaped else str
    address = f"postgresql://{as_written(user)}:{as_written(password)}@db.internal/x?sslpassword={as_written(value)}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PM_AUTOACCEPT_LEDGER", address)
        try:
            program = load_accounts(**KNOWN)
        except ConfigurationError as error:
            shown = str(error)
        else:
            shown = next(each.value for each in list_settings(program) if each.setting == "ledger")
    assert not {piece for text in (user, password, value) for piece in pieces(text) if piece in shown}, shown
    assert not {"J", "Z"} & set(shown), shown


@pytest.mark.parametrize("name", ["db", "ledger"])
@pytest.mark.parametrize("password", ["server", "e", "127.0.0.1", "refused"])
async def test_a_password_that_is_a_common_word_is_not_told_by_a_gap(password, name):
    """Where it would have to be cut out of a known sentence, the sentence is left out."""
    with pytest.raises(LedgerError) as raised:
        await SqlLedger.open(f"postgresql://{USER}:{password}@127.0.0.1:1/{name}")
    address, _, words = str(raised.value).partition(" cannot be used: ")
    assert f"127.0.0.1:1/{name}" in address
    assert words == "OperationalError (its text contains part of the address)"
