"""Which way an address is reached, how a proxy's address is read, and how often its password is tried."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pm_autoaccept.egress import Proxies, Proxy, parse_proxy, proxy_variables, refusal
from pm_autoaccept.egress.proxy_password import Egress, Passage
from pm_autoaccept.errors import AnswerUnknown, ConfigurationError, NotSent, ProxyNotAuthorised
from pm_autoaccept.portfolio_manager.services import CUSTOMERS, DISCONNECT
from pm_autoaccept.portfolio_manager.transport import Connection
from tests.connect_proxy import ConnectProxy

SERVICE = "https://pm.example.org/ws"
SECRET = "hunter2"


def way(url: str = SERVICE, **environment: str) -> str | None:
    """The address of the proxy that an address is reached through."""
    proxy = Proxies(variables=proxy_variables(environment)).route(url).proxy
    return None if proxy is None else proxy.address


@pytest.mark.parametrize(
    ("environment", "through"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://one:1"}, "http://one:1"),
        ({"https_proxy": "http://one:1"}, "http://one:1"),
        ({"https_proxy": "http://one:1", "HTTPS_PROXY": "http://two:2"}, "http://one:1"),
        ({"https_proxy": "", "HTTPS_PROXY": "http://two:2"}, None),
        ({"https_proxy": "", "HTTPS_PROXY": "http://two:2", "ALL_PROXY": "http://three:3"}, "http://three:3"),
        ({"HTTPS_PROXY": "http://one:1", "ALL_PROXY": "http://two:2"}, "http://one:1"),
        ({"ALL_PROXY": "http://two:2"}, "http://two:2"),
        ({"HTTP_PROXY": "http://one:1"}, None),
        ({"HTTPS_PROXY": "  "}, None),
        ({"HTTPS_PROXY": "http://one:1", "ALL_PROXY": "socks5://two:2"}, "http://one:1"),
    ],
)
def test_the_usual_variables(environment, through):
    """The scheme's own before ALL_PROXY; small letters before capitals; what is empty says nothing."""
    assert way(**environment) == through


NOT_BY_PROXY = {
    "*": [SERVICE],
    "other.test, *": [SERVICE],
    "example.org": [SERVICE, "https://example.org/", "https://a.b.example.org."],
    ".example.org": [SERVICE, "https://example.org/"],
    "*.example.org": [SERVICE],
    " a.test  ,\tPM.Example.ORG. ": [SERVICE, "https://PM.EXAMPLE.ORG/ws"],
    "a.test b.test example.org": [SERVICE],
    "pm.example.org:443": [SERVICE, "https://pm.example.org:443/ws"],
    "bücher.example": ["https://xn--bcher-kva.example/", "https://BÜCHER.example/", "https://a.bücher.example/"],
    "192.0.2.7": ["https://192.0.2.7/", "https://192.0.2.7:8443/"],
    "192.0.2.7:8443": ["https://192.0.2.7:8443/"],
    "192.0.2.0/24": ["https://192.0.2.7/", "https://[::ffff:192.0.2.7]/"],
    "192.0.2.1/24": ["https://192.0.2.7/"],
    "2001:db8::1": ["https://[2001:db8::1]/", "https://[2001:db8:0::1]/"],
    "[2001:db8::1]": ["https://[2001:db8::1]/"],
    "[2001:db8::1]:8443": ["https://[2001:db8::1]:8443/"],
    "2001:db8::/32": ["https://[2001:db8::1]/"],
}
BY_PROXY = {
    "": [SERVICE],
    ",": [SERVICE],
    "ample.org": [SERVICE],
    "pm.example.org.evil.test": [SERVICE],
    "example.org:8443": [SERVICE],
    "org.example": [SERVICE],
    ".": [SERVICE],
    "192.0.2.7": ["https://192.0.2.70/", "https://192.0.2.7.example.org/"],
    "192.0.2.7:8443": ["https://192.0.2.7/"],
    "192.0.2.0/24": ["https://192.0.3.1/", SERVICE, "https://[2001:db8::1]/"],
    "192.0.2.0/99": ["https://192.0.2.7/"],
    "[2001:db8::1]:8443": ["https://[2001:db8::1]/"],
    "0.2.7": ["https://192.0.2.7/"],
}


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("exceptions", NOT_BY_PROXY)
def test_what_no_proxy_names_is_reached_directly(exceptions, variable):
    """Names with all below them, addresses, networks, ports, blanks, capitals; the setting heeds it as well."""
    for url in NOT_BY_PROXY[exceptions]:
        assert way(url, HTTPS_PROXY="http://one:1", **{variable: exceptions}) is None, url
        variables = proxy_variables({variable: exceptions})
        assert Proxies(setting="http://one:1", variables=variables).route(url).proxy is None, url


@pytest.mark.parametrize("exceptions", BY_PROXY)
def test_what_no_proxy_does_not_name_goes_through_the_proxy(exceptions):
    """A part of a name is another name, and a name is not looked up to see whether a network has it."""
    for url in BY_PROXY[exceptions]:
        assert way(url, HTTPS_PROXY="http://one:1", NO_PROXY=exceptions) == "http://one:1", url


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.9.9",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",  # noqa: S104 — nothing is bound
    ],
)
def test_this_machine_is_never_reached_through_a_proxy(host):
    """Whatever is set, by whom ever, and however wrong it is."""
    for scheme in ("http", "https"):
        url = f"{scheme}://{host}:8080/ws"
        assert way(url, HTTPS_PROXY="socks5://one", HTTP_PROXY="http://one:1", ALL_PROXY="http://one:1") is None
        assert Proxies(setting="http://one:1").route(url).proxy is None


@pytest.mark.parametrize(
    ("text", "address", "credentials"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128", None),
        ("http://proxy.example:3128/", "http://proxy.example:3128", None),
        (" proxy.example:3128 ", "http://proxy.example:3128", None),
        ("proxy.example", "http://proxy.example:80", None),
        ("https://proxy.example", "https://proxy.example:443", None),
        ("HTTP://Proxy.Example:3128", "http://proxy.example:3128", None),
        ("10.0.0.1:3128", "http://10.0.0.1:3128", None),
        ("[2001:db8::1]:3128", "http://[2001:db8::1]:3128", None),
        ("http://user:p%40ss%3A%2F@proxy:1", "http://proxy:1", b"user:p@ss:/"),
        ("user:pass@proxy:1", "http://proxy:1", b"user:pass"),
        ("http://user@proxy:1", "http://proxy:1", b"user:"),
        ("http://dom%5Cuser:p@ss@proxy:1", "http://proxy:1", b"dom\\user:p@ss"),
        ("http://us%E9r:p%FF@proxy:1", "http://proxy:1", b"us\xe9r:p\xff"),
        ("http://usér:pöss@proxy:1", "http://proxy:1", "usér:pöss".encode()),
    ],
)
def test_a_proxys_address(text, address, credentials):
    """With a scheme or without, credentials as they were before they were escaped."""
    proxy = parse_proxy(text, origin="PROXY")
    assert (proxy.address, proxy.credentials) == (address, credentials)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"socks5://user:{SECRET}@proxy:1080", "a proxy of the kind `socks5` is not supported"),
        (f"socks5h://user:{SECRET}@proxy:1080", "HTTP proxy"),
        ("ftp://proxy:21", "not supported"),
        (f"http://user:{SECRET}#@proxy:1", "that is no proxy's address"),
        (f"http://user:1/{SECRET}@proxy:1", "that is no proxy's address"),
        (f"http://user:1?{SECRET}@proxy:1", "as %40"),
        (f"http://user:{SECRET}@proxy:port", "that is no proxy's address"),
        (f"http://user:{SECRET}@", "that is no proxy's address"),
        (f"http://user:{SECRET}@proxy:0", "that is no proxy's address"),
        (f"http://user:{SECRET}@pro xy:1", "that is no proxy's address"),
        (f"http://user:{SECRET}@2001:db8::1:3128", "an IPv6 address in brackets"),
        (f"http://user:{SECRET}@[::1:3128", "that is no proxy's address"),
        (f"http://user:{SECRET}\u2100@proxy:1", "that is no proxy's address"),
        (f"http://us%3Aer:{SECRET}@proxy:1", "the proxy's username holds a colon"),
        (f"http://{SECRET}/proxy.pac", "that is no proxy's address"),
        ("", "that is no proxy's address"),
    ],
)
def test_what_is_no_address_of_a_proxy_is_told_without_repeating_it(text, says):
    """It may hold a password; the error that the library raised, which does, is not its context."""
    with pytest.raises(ValueError, match=says.split("(", maxsplit=1)[0]) as raised:
        parse_proxy(text, origin="PROXY")
    assert SECRET not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_secrets_are_in_no_text_of_a_proxy():
    """Neither for people nor for debugging."""
    address = f"http://user:{SECRET}@proxy:1"
    proxies = Proxies(setting=address, password=SECRET, variables=proxy_variables({"ALL_PROXY": address}))
    shown = f"{proxies} {proxies!r} {proxies.route(SERVICE)!r} {proxies.route(SERVICE).proxy}"
    assert SECRET not in shown
    assert "http://proxy:1 (PROXY)" in shown


def test_a_password_that_stands_elsewhere():
    """PROXY names the user; what is special in the password needs no escaping there."""
    proxy = Proxies(setting="http://user@proxy:1", password="p%40:ss@").route(SERVICE).proxy
    assert proxy is not None
    assert proxy.credentials == b"user:p%40:ss@"
    with pytest.raises(ValueError, match="names no user for this password"):
        Proxies(setting="proxy:1", password=SECRET).route(SERVICE)


@pytest.mark.parametrize(
    ("credentials", "offered", "kind", "says"),
    [
        (b"u:p", 'Basic realm="x"', ProxyNotAuthorised, "refused the username or the password"),
        (b"u:p", 'NTLM, Basic realm="x, Digest"', ProxyNotAuthorised, "refused the username or the password"),
        (
            b"u:p",
            "Negotiate, NTLM",
            ProxyNotAuthorised,
            "it asks for Negotiate, NTLM, and this program signs in by Basic",
        ),
        (b"u:p", "\x1b[31m" * 100, ProxyNotAuthorised, "refused the username or the password"),
        (None, 'Basic realm="x"', NotSent, "asks for a username and a password; write its address as"),
        (None, "NTLM", NotSent, "it asks for NTLM"),
    ],
)
def test_a_407(credentials, offered, kind, says):
    """It says what to do. Without a password none was refused, and there is nothing to wait for."""
    error = refusal(Proxy("http://proxy:1", "PROXY", credentials), 407, {"proxy-authenticate": offered}, call="GET /x")
    assert type(error) is kind
    assert says in str(error)
    assert str(error).isprintable()
    assert error.status is None  # which is Portfolio Manager's


PROXY = Proxy("http://proxy:1", "PROXY", b"u:p")


async def sent() -> str:
    """A call that comes through."""
    await asyncio.sleep(0)
    return "through"


async def refused() -> str:
    """A call that the proxy refuses."""
    await asyncio.sleep(0)
    raise ProxyNotAuthorised("refused", call="x")


class Tries:
    """Calls through a passage, and what came of each."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 4, 12, tzinfo=UTC)
        self.passage = Passage(now=lambda: self.now)
        self.left = 0

    async def give(self, send: Any, proxy: Proxy | None = PROXY) -> str:
        """One call."""

        async def counted() -> Any:
            self.left += 1
            return await send()

        try:
            return await self.passage.through(proxy, counted, call="x")
        except (ProxyNotAuthorised, NotSent) as error:
            return type(error).__name__

    async def together(self, *sends: Any) -> list[str]:
        """Calls that leave side by side."""
        return list(await asyncio.gather(*(self.give(send) for send in sends)))


async def test_of_many_that_begin_together_one_tries_the_password():
    """The others wait for what comes of it: go the same way, or do not leave."""
    tries = Tries()
    assert await tries.together(refused, *[sent] * 20) == ["ProxyNotAuthorised"] * 21
    assert tries.left == 1
    tries = Tries()
    assert await tries.together(*[sent] * 20) == ["through"] * 20


async def test_when_a_password_is_refused_later_nothing_leaves_any_more():
    """Those that were under way count as one; after a while one tries again, and another password at once."""
    tries = Tries()
    await tries.give(sent)
    assert await tries.together(refused, refused, sent) == ["ProxyNotAuthorised", "ProxyNotAuthorised", "through"]
    left = tries.left
    assert await tries.together(sent, sent) == ["ProxyNotAuthorised"] * 2
    assert tries.left == left
    assert await tries.give(sent, Proxy(PROXY.address, "PROXY", b"u:other")) == "through"
    assert await tries.give(sent, Proxy("http://other:1", "PROXY", b"u:p")) == "through"
    tries.now += timedelta(minutes=15)
    assert await tries.together(sent, sent) == ["through"] * 2


async def test_a_failure_of_another_kind_says_nothing_of_the_password():
    """The next one tries it, alone again; nor does one that is given up."""

    async def broken() -> str:
        raise NotSent("reset", call="x")

    tries = Tries()
    assert await tries.together(broken, broken, sent, sent) == ["NotSent", "NotSent", "through", "through"]

    tries, never = Tries(), asyncio.Event()
    task = asyncio.create_task(tries.give(never.wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await tries.give(sent) == "through"


async def test_without_a_password_calls_leave_as_they_come():
    """Directly, or by a proxy that lets everybody through: nobody waits for anybody."""
    tries, together = Tries(), asyncio.Barrier(3)

    async def meets() -> str:
        await together.wait()
        return "met"

    for proxy in (None, Proxy("http://proxy:1", "PROXY")):
        met = asyncio.gather(*(tries.give(meets, proxy) for _ in range(3)))
        assert await asyncio.wait_for(met, 30) == ["met"] * 3


@pytest.mark.parametrize("call", [CUSTOMERS.call(), DISCONNECT.call(7, keepShares="false")], ids=["GET", "POST"])
async def test_a_proxy_that_never_answers_was_sent_nothing_of_ours(call):
    """The time to connect runs out, and that is told from a service that does not answer."""
    proxy = ConnectProxy({}, hangs=asyncio.Event())
    async with proxy.serving():
        egress = Egress(Proxies(setting=f"127.0.0.1:{proxy.port}"))
        connection = Connection(base_url=SERVICE, username="u", password=SECRET, timeout=0.2, egress=egress)
        async with connection:
            with pytest.raises(NotSent, match="through the proxy") as raised:
                await connection.exchange(call)
        proxy.hangs.set()
    assert [each.method for each in proxy.asked] == ["CONNECT"]
    assert not isinstance(raised.value, AnswerUnknown)
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_a_proxy_that_cannot_be_used_is_a_fault_of_the_settings():
    """Found before anything is sent, and named by who names it."""
    egress = Egress(Proxies(variables=proxy_variables({"https_proxy": f"socks5://u:{SECRET}@proxy:1"})))
    with pytest.raises(ConfigurationError, match=r"^https_proxy: a proxy of the kind `socks5`") as raised:
        Connection(base_url=SERVICE, username="u", password="p", timeout=1.0, egress=egress)
    assert SECRET not in str(raised.value)
