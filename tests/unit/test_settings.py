"""The settings: which value stands above which, what is refused and where, and that no secret is ever shown."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pm_autoaccept.config import (
    host_and_port,
    ledger_address,
    list_settings,
    load_accounts,
    load_settings,
    policy_folder,
)
from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.model import Mode

SECRET = "Wrong-Meter-1"

TWO = """\
mode: observe
interval: 90s
accounts:
  one:
    service: test
    username: prairie_power
    password_file: secret
    policy: policies/one
    interval: 5m
  two:
    service: live
    username: prairie_power
    password_env: THE_OTHER
    policy: policies/two
"""


@pytest.fixture(autouse=True)
def a_secret_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret lies beside the settings file."""
    monkeypatch.setenv("THE_OTHER", "secret")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    monkeypatch.chdir("/")


@pytest.fixture
def write(tmp_path: Path):
    """Write a settings file, and say where it is."""

    def written(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text)
        return path

    return written


KNOWN: dict[str, Any] = {"service": "test", "username": "prairie_power", "password": SECRET, "policy": "/policy"}


def test_each_value_comes_from_the_highest_that_says_one(write, monkeypatch):
    """Defaults, the file, the environment, files of secrets, and the command line, in this order; each is said."""
    file = write("interval: 2m\nin_flight: 2\nrate: 1 per 1s\ntimeout: 10s\n")
    monkeypatch.setenv("PM_AUTOACCEPT_IN_FLIGHT", "3")
    monkeypatch.setenv("PM_AUTOACCEPT_TIMEOUT", "20s")
    monkeypatch.setenv("PM_AUTOACCEPT_RATE_FILE", "/rate")
    monkeypatch.setenv("PM_AUTOACCEPT_HEARTBEAT", "")
    monkeypatch.setenv("PM_AUTOACCEPT_RATE_FILE", str(write("2 per 1s\n").rename(file.parent / "rate")))
    file.write_text("interval: 2m\nin_flight: 2\nrate: 1 per 1s\ntimeout: 10s\n")

    program = load_accounts(settings=file, **KNOWN, timeout="30s")

    (account,) = program.accounts
    assert (account.name, account.interval, account.in_flight) == ("default", timedelta(minutes=2), 3)
    assert (account.rate, account.timeout, account.lease) == (2.0, timedelta(seconds=30), timedelta(minutes=2))
    origins = {name: str(origin.text) for name, origin in program.origins["default"].items()}
    assert origins["interval"] == f"{file}:1"
    assert origins["in_flight"] == "PM_AUTOACCEPT_IN_FLIGHT"
    assert origins["rate"].startswith("PM_AUTOACCEPT_RATE_FILE")
    assert origins["timeout"] == "--timeout"
    assert {"lease", "heartbeat"}.isdisjoint(origins)


def test_accounts_take_what_they_do_not_say_from_the_whole_program(write, monkeypatch):
    """An account's own value stands above the environment, and the command line above both."""
    monkeypatch.setenv("PM_AUTOACCEPT_INTERVAL", "3m")
    monkeypatch.setenv("PM_AUTOACCEPT_SETTINGS", str(write(TWO)))

    program = load_accounts(in_flight=2)

    one, two = program.accounts
    assert (one.name, one.interval, one.in_flight, one.mode) == ("one", timedelta(minutes=5), 2, Mode.OBSERVE)
    assert (two.name, two.interval, two.in_flight, two.service) == ("two", timedelta(minutes=3), 2, "live")
    assert (one.password.get_secret_value(), two.password.get_secret_value()) == (SECRET, "secret")
    assert load_accounts(interval="1s").accounts[0].interval == timedelta(seconds=1)


def test_paths_in_the_file_are_relative_to_the_file(write, tmp_path):
    """Wherever the program is started: policies, the ledger, the places that it touches and looks at."""
    file = write(f"ledger: sqlite:///state/ledger.db\nheartbeat: beat\npause_file: /run/pause\n{TWO}")

    program = load_accounts(settings=file)

    assert program.accounts[0].policy == tmp_path / "policies" / "one"
    assert program.ledger == f"sqlite:///{tmp_path}/state/ledger.db" == ledger_address(settings=file)
    assert (program.heartbeat, program.pause_file) == (tmp_path / "beat", Path("/run/pause"))


def test_a_command_for_one_account_says_which_there_are(write):
    """Where there are several, one must be named, and it must be there."""
    file = write(TWO)

    assert load_settings(settings=file, account="two").service == "live"
    assert [each.name for each in load_accounts(settings=file, account="two").accounts] == ["two"]
    with pytest.raises(ConfigurationError, match="--account with one of one, two"):
        load_settings(settings=file)
    with pytest.raises(ConfigurationError, match="unknown account `three`; known accounts: one, two"):
        load_settings(settings=file, account="three")


def test_a_policy_is_found_without_the_rest_of_its_account(write, tmp_path, monkeypatch):
    """For commands that ask nothing of Portfolio Manager: the account's own, the environment's, or none."""
    monkeypatch.delenv("THE_OTHER")
    assert policy_folder() is None
    monkeypatch.setenv("PM_AUTOACCEPT_POLICY", "/policy")
    assert policy_folder() == Path("/policy")
    assert policy_folder(settings=write(TWO), account="two") == tmp_path / "policies" / "two"
    assert policy_folder(tmp_path, settings=write(TWO)) == tmp_path
    with pytest.raises(ConfigurationError, match="--account with one of one, two"):
        policy_folder(settings=write(TWO))


def test_an_account_that_is_not_named_may_be_broken(write, monkeypatch):
    """Whoever looks at one account is not kept from it by another's missing password."""
    monkeypatch.delenv("THE_OTHER")
    assert load_settings(settings=write(TWO), account="one").name == "one"
    with pytest.raises(ConfigurationError, match=r"settings.yaml:13:19: the environment variable THE_OTHER is not set"):
        load_accounts(settings=write(TWO))


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "", "the file is empty"),
        ("- mode", "1:1", "a settings file must be a mapping"),
        ("mod: observe", "1:1", "unknown setting `mod` in a settings file (did you mean `mode`?)"),
        ("mode: observe\nmode: enforce", "2:1", "duplicate key `mode`, first used in line 1"),
        ("mode: [observe]", "1:7", "`mode` must be a single value"),
        ("mode: &a observe", "1:7", "YAML anchor"),
        ("mode: !x observe", "1:7", "YAML tag"),
        ("mode: on", "1:7", "invalid value; use observe or enforce"),
        ("interval: 1 minute", "1:11", "invalid duration"),
        ("listen: 9090", "1:9", "HOST:PORT"),
        ("ledger: mysql://x/y", "1:9", "SQLite or PostgreSQL"),
        ("accounts: one", "1:11", "`accounts` must be a mapping"),
        (TWO.replace("  two:", "  one:"), "10:3", "duplicate key `one`, first used in line 4"),
        (TWO.replace("  two:", "  Two:"), "10:3", "invalid account name"),
        (TWO.replace("    service: live", "    ledger: x"), "11:5", "`ledger` applies to the whole program"),
        (TWO.replace("    service: live", "    sevice: live"), "11:5", "did you mean `service`"),
        (
            TWO.replace("    username: prairie_power\n    password_env", "    password_env"),
            "10:3",
            "`two`: missing `user",
        ),
        (TWO.replace("    password_env: THE_OTHER\n", ""), "10:3", "`two`: missing `password_file`"),
        (TWO.replace("mode: observe", "username: x"), "1:11", "needs a username of its own"),
        (TWO.replace("service: live", "service: test"), "", "`one` and `two` both sign in as prairie_power"),
        (TWO.replace("interval: 90s", "timeout: 2m"), "4:3", "account `one`: lease"),
        (TWO.replace("interval: 90s", "unknown_wait: 3m"), "10:3", "unknown_wait must be longer"),
        (TWO.replace("password_file: secret", "password_file: nowhere"), "7:20", "cannot read the file"),
    ],
)
def test_each_fault_in_the_file_is_told_with_its_place(write, text, place, said):
    """File, line and column, and what to write instead."""
    file = write(text)
    with pytest.raises(ConfigurationError) as raised:
        load_accounts(settings=file, **({} if "accounts" in text else KNOWN))
    message = str(raised.value)
    assert said in message
    assert f"{file}:{place}: " in message if place else True


@pytest.mark.parametrize(
    "line",
    [
        f"password: {SECRET}",
        f"    pasword: {SECRET}",
        f"    login: {{username: x, password: {SECRET}}}",
        f"password: '{SECRET}",
        f"password: @{SECRET}",
        f"password: {SECRET}: x",
        f"ledger: postgresql://x:{SECRET}@localhost/db",
        f"ledger: '%postgresql://x:{SECRET}@localhost/db",
    ],
)
def test_a_password_in_the_settings_file_is_refused_and_not_repeated(write, line):
    """Neither in a key of its own, nor misspelt, nor where YAML cannot read the line."""
    with pytest.raises(ConfigurationError) as raised:
        load_accounts(settings=write(f"{line}\n"), **KNOWN)
    assert SECRET not in str(raised.value)
    assert "settings.yaml:" in str(raised.value)


def test_a_password_in_the_file_is_told_where_it_belongs(write):
    """The message names the key that names a file."""
    with pytest.raises(ConfigurationError, match="put it in a file of its own and set password_file"):
        load_accounts(settings=write("password: x"), **KNOWN)


def test_no_secret_is_in_what_settings_say_of_themselves(monkeypatch):
    """Whoever logs the settings, or what is wrong with them, shows neither password."""
    monkeypatch.setenv("PM_AUTOACCEPT_LEDGER", "postgresql://writer@db.internal:5433/ledger?sslmode=require")
    monkeypatch.setenv("PM_AUTOACCEPT_LEDGER_PASSWORD", f"{SECRET}/@:")

    program = load_accounts(**KNOWN)

    assert program.ledger == "postgresql://writer:Wrong-Meter-1%2F%40%3A@db.internal:5433/ledger?sslmode=require"
    assert program.accounts[0].ledger_shown == "postgresql://db.internal:5433/ledger?***"
    assert ledger_address() == program.ledger
    assert SECRET not in f"{program!r} {program.accounts[0]!r} {program.accounts[0]}"


@pytest.mark.parametrize("name", ["LEDGER", "RATE", "IN_FLIGHT"])
def test_a_secret_in_a_wrong_place_is_not_repeated(monkeypatch, name):
    """A value that a setting refuses may be a password that was put into the wrong variable."""
    monkeypatch.setenv(f"PM_AUTOACCEPT_{name}", f"x:{SECRET}@y")
    with pytest.raises(ConfigurationError, match=f"PM_AUTOACCEPT_{name}: ") as raised:
        load_accounts(**KNOWN)
    assert SECRET not in str(raised.value)


def test_a_password_on_the_command_line_is_refused():
    """Every user of the machine could read it."""
    for load in (lambda said: load_accounts(**KNOWN, ledger=said), ledger_address):
        with pytest.raises(ConfigurationError, match="PM_AUTOACCEPT_LEDGER_PASSWORD") as raised:
            load(f"postgresql://x:{SECRET}@localhost/db")
        assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:9090", "127.0.0.1", 9090), ("[::1]:0", "::1", 0), ("metrics.internal:80", "metrics.internal", 80)],
)
def test_an_address_to_listen_on_is_host_and_port(listen, host, port):
    """As aiohttp wants them, brackets off."""
    assert host_and_port(str(load_settings(**KNOWN, listen=listen).listen)) == (host, port)


@pytest.mark.parametrize("listen", ["9090", ":9090", "x:99999", "x:", "http://x:1", "::1:80", "[x]:80", "a b:1"])
def test_what_is_no_address_to_listen_on_is_refused(listen):
    """The message shows the form."""
    with pytest.raises(ConfigurationError, match=r"--listen: .* use HOST:PORT"):
        load_settings(**KNOWN, listen=listen)


def test_a_lease_outlives_the_answer_in_hand():
    """One and a half timeouts at least."""
    assert load_settings(**KNOWN, lease="90s").lease == timedelta(seconds=90)
    with pytest.raises(ConfigurationError, match=r"lease \(89s\) must be at least"):
        load_settings(**KNOWN, lease="89s")


def test_enforce_is_for_epa_s_services_and_simulators():
    """No other host gets the password and the answers, however it was written."""
    for service in ("live", "test", "https://portfoliomanager.energystar.gov/ws/"):
        assert load_settings(**KNOWN | {"service": service}, mode="enforce").mode is Mode.ENFORCE
    with pytest.raises(
        ConfigurationError, match="mode enforce is only allowed with EPA's services and with a simulator"
    ):
        load_settings(**KNOWN | {"service": "https://pm.example/ws"}, mode="enforce")


def test_groups_of_people_are_named_with_commas_between_them(monkeypatch):
    """As policies name them; none by default."""
    assert load_settings(**KNOWN).groups == ()
    assert load_settings(**KNOWN, groups="tenant-forms, supervisors").groups == ("tenant-forms", "supervisors")
    monkeypatch.setenv("PM_AUTOACCEPT_GROUPS", "The Boss")
    with pytest.raises(
        ConfigurationError, match="invalid group name; use lower-case words joined by hyphens, separated by commas"
    ):
        load_settings(**KNOWN)


AS_EDITORS_WRITE = {
    "newline": b"%s\n",
    "windows newline": b"%s\r\n",
    "several newlines": b"\n%s\r\n\n",
    "old mac newline": b"%s\r",
    "byte order mark": b"\xef\xbb\xbf%s",
    "byte order mark and newline": b"\xef\xbb\xbf%s\r\n",
    "newline and byte order mark": b"\r\n\xef\xbb\xbf%s",
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf%s\n\xef\xbb\xbf",
}
"""How a secret is written by an editor or a shell."""
POWERSHELL = ("utf-16-le", "utf-16-be")


@pytest.mark.parametrize("how", [*AS_EDITORS_WRITE, *POWERSHELL])
def test_what_editors_add_is_no_part_of_a_secret_in_a_file(how, write, tmp_path):
    """Neither of the account's password, nor of the ledger's, nor of a connection's."""
    data = f"\ufeff{SECRET}\r\n".encode(how) if how in POWERSHELL else AS_EDITORS_WRITE[how] % SECRET.encode()
    (tmp_path / "secret").write_bytes(data)
    _each_secret_is_the_secret(
        write(
            "service: test\nusername: u\npolicy: p\npassword_file: secret\nledger_password_file: secret\n"
            "ledger: postgresql://pm@db.internal/pm\n"
            "connections: {billing: {url: 'postgresql://pm@db.internal/b', password_file: secret}}\n"
        )
    )


@pytest.mark.parametrize("how", AS_EDITORS_WRITE)
def test_what_shells_add_is_no_part_of_a_secret_in_a_variable(how, write, monkeypatch):
    """As an env file with Windows line ends leaves it."""
    monkeypatch.setenv("THE_OTHER", (AS_EDITORS_WRITE[how] % SECRET.encode()).decode())
    monkeypatch.setenv("PM_AUTOACCEPT_PASSWORD", (AS_EDITORS_WRITE[how] % SECRET.encode()).decode())
    monkeypatch.setenv("PM_AUTOACCEPT_LEDGER_PASSWORD", (AS_EDITORS_WRITE[how] % SECRET.encode()).decode())
    _each_secret_is_the_secret(
        write(
            "service: test\nusername: u\npolicy: p\nledger: postgresql://pm@db.internal/pm\n"
            "connections: {billing: {url: 'postgresql://pm@db.internal/b', password_env: THE_OTHER}}\n"
        )
    )


def _each_secret_is_the_secret(file: Path) -> None:
    settings = load_settings(settings=file)
    assert settings.password.get_secret_value() == SECRET
    assert settings.ledger == f"postgresql://pm:{SECRET}@db.internal/pm"
    assert settings.connections["billing"].get_secret_value() == f"postgresql://pm:{SECRET}@db.internal/b"


def test_blanks_in_a_secret_are_part_of_it(write, tmp_path):
    """A password may begin or end with one."""
    (tmp_path / "secret").write_bytes(f" {SECRET}\t \n".encode())
    file = write("service: test\nusername: u\npolicy: p\npassword_file: secret\n")
    assert load_settings(settings=file).password.get_secret_value() == f" {SECRET}\t "


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"one\ntwo\n", "more than one line"),
        (b"Br\xfccke\n", "not UTF-8"),
        (b"P\0w\0", "contains a NUL character"),
        (b"\xef\xbb\xbf\r\n", "empty value; expected the provider account's password"),
        (b"", "empty value; expected the provider account's password"),
    ],
)
def test_a_secret_that_is_no_line_of_text_is_refused_in_words(data, says, write, tmp_path):
    """The file is named, and nothing of it is shown."""
    (tmp_path / "secret").write_bytes(data)
    file = write("service: test\nusername: u\npolicy: p\npassword_file: secret\n")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(settings=file)
    assert says in str(refused.value)
    assert "settings.yaml:4" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("mode", "Enforce", "invalid value; use observe or enforce"),
        ("log_level", "loud", "invalid value; use debug, info, warning or error"),
        ("log_format", "xml", "invalid value; use auto, text or json"),
        ("event_loop", "trio", "invalid value; use asyncio or uvloop"),
        ("in_flight", "many", "invalid number; use a whole number, for example 4"),
        ("in_flight", "1.5", "invalid number; use a whole number, for example 4"),
        ("in_flight", "9" * 5000, "invalid number; use a whole number, for example 4"),
        ("in_flight", "0", "too small; use at least 1"),
        ("in_flight", "999", "too large; use at most 256"),
        ("interval", "0s", "too small; use more than 0s"),
        ("retention", "0s", "too small; use more than 0s"),
        ("timeout", "soon", "invalid duration; use a number and s, m, h or d, for example 60s"),
        ("interval", "100000s", "invalid duration"),
        ("interval", "\u0663\u0660s", "invalid duration"),
        ("rate", "4 per \u0661s", "invalid rate"),
        ("rate", "\u0664 per 1s", "invalid rate"),
        ("rate", "fast", "invalid rate"),
        ("listen", "here", "invalid listen address"),
        ("ledger", "there", "invalid ledger address"),
        ("groups", "A B", "invalid group name"),
    ],
)
def test_errors_about_settings_are_in_our_own_words(name, value, says, monkeypatch):
    """What the validator says is for programmers: inputs, items, instances."""
    monkeypatch.setenv(f"PM_AUTOACCEPT_{name.upper()}", value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(**KNOWN)
    assert str(refused.value).startswith(f"PM_AUTOACCEPT_{name.upper()}: {says}")
    assert not re.search("(?i)input|value should|valid (int|string)|instance|timedelta|pydantic", str(refused.value))


def test_an_event_loop_that_is_not_installed_is_refused(monkeypatch):
    """Where uvloop is missing, the error names the extra; where it is installed, the setting is accepted."""
    monkeypatch.setenv("PM_AUTOACCEPT_EVENT_LOOP", "uvloop")
    monkeypatch.setattr("pm_autoaccept.config.formats.find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"PM_AUTOACCEPT_EVENT_LOOP: .*install pm-autoaccept\[uvloop\]"):
        load_settings(**KNOWN)
    monkeypatch.setattr("pm_autoaccept.config.formats.find_spec", lambda _: object())
    assert load_settings(**KNOWN).event_loop == "uvloop"


MANY = """\
mode: enforced
intervall: 5m
listen: 9090
username: shared
accounts:
  one: {service: test, username: a, password_file: nowhere, policy: p, in_flight: many, timeout: 2m}
  two: {sevice: live, username: b, password_env: THE_OTHER, policy: p, rate: none}
  three: {service: live, username: c, password_env: THE_OTHER, policy: p, rate: none, timeout: 5m}
"""


def test_all_that_is_wrong_with_a_settings_file_is_told_in_one_round(write):
    """Keys and values, of the whole program and of each account, each value by itself and with the others."""
    with pytest.raises(ConfigurationError) as refused:
        load_accounts(settings=write(MANY))
    told = str(refused.value)
    for says in (
        "did you mean `interval`",
        "did you mean `service`",
        "1:7: invalid value; use observe or enforce",
        "3:9: invalid listen address",
        "4:11: ",
        "6:52: cannot read the file",
        "invalid number",
        "account `one`: lease (120s) must be",
        "account `three`: lease (120s) must be",
        "account `three`: rate none is only allowed with a simulator",
        "account `three`: unknown_wait must be longer",
    ):
        assert says in told, f"not told: {says}"
    assert "`two`: missing `service`" not in told, "it does not lack what it has under a wrong name"


def way_of(url: str = "https://pm.example.org/ws", **more: Any) -> str | None:
    """The proxy that an address is reached through, and who named it."""
    proxy = load_settings(**KNOWN | more).proxies.route(url).proxy
    return None if proxy is None else str(proxy)


def test_the_setting_of_a_proxy_stands_above_the_usual_variables(monkeypatch):
    """Empty, or `none`, it says that there is to be no proxy; unset it says nothing."""
    monkeypatch.setenv("HTTPS_PROXY", "http://usual:1")
    assert way_of() == "http://usual:1 (HTTPS_PROXY)"
    monkeypatch.setenv("PM_AUTOACCEPT_PROXY", "ours:2")
    assert way_of() == "http://ours:2 (PROXY)"
    for nothing in ("", " ", "none", "NONE"):
        monkeypatch.setenv("PM_AUTOACCEPT_PROXY", nothing)
        assert way_of() is None, nothing


def test_each_account_may_have_its_own_proxy(write, tmp_path, monkeypatch):
    """With its password in a file; what it does not say it takes from the top."""
    monkeypatch.setenv("HTTPS_PROXY", "http://usual:1")
    (tmp_path / "proxy").write_text("p%40 ss:\n")
    text = "proxy: http://top:1\n" + TWO.replace(
        "    interval: 5m\n", "    proxy: http://user@ours:2\n    proxy_password_file: proxy\n"
    )
    program = load_accounts(settings=write(text.replace("password_env: THE_OTHER", "password_file: secret")))
    one, two = (account.proxies.route(account.base_url).proxy for account in program.accounts)
    assert (str(one), one.credentials) == ("http://ours:2 (PROXY)", b"user:p%40 ss:")
    assert (str(two), two.credentials) == ("http://top:1 (PROXY)", None)
    shown = {(each.account, each.setting): each.value for each in list_settings(program)}
    assert shown["one", "proxy"] == "http://ours:2"
    assert shown["one", "proxy_password"] == "***"
    assert "p%40" not in f"{program!r}{shown}"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"proxy: http://user:{SECRET}@ours:2", "set proxy_password_file"),
        (f"proxy: user:{SECRET}@ours:2", "set proxy_password_file"),
        (f"proxy: 'http://user:{SECRET}#x@ours:2'", "set proxy_password_file"),
        (f"proxy: socks5://user:{SECRET}@ours:2", "set proxy_password_file"),
        ("proxy: socks5://ours:2", "unsupported proxy scheme `socks5`"),
        (f"proxy_password: {SECRET}", "set proxy_password_file"),
        ("proxy: ours:2\nproxy_password_file: secret", "has no username for this password"),
        ("proxy_password_file: secret", "proxy_password is set but proxy is not"),
        ("proxy: none\nproxy_password_file: secret", "proxy_password is set but proxy is not"),
    ],
)
def test_what_is_wrong_with_a_proxy_in_the_settings_file_is_told_without_secrets(write, line, says):
    """No password stands in the file, not in a message about the file either."""
    with pytest.raises(ConfigurationError) as raised:
        load_accounts(**KNOWN, settings=write(f"{line}\n"))
    assert says in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("variable", ["PM_AUTOACCEPT_PROXY", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_variable_with_a_proxy_that_cannot_be_used_is_told_by_its_name(monkeypatch, variable):
    """It is found when the settings are read, unless nothing would go through it."""
    monkeypatch.setenv(variable, f"socks5://user:{SECRET}@proxy:1080")
    with pytest.raises(ConfigurationError, match=f"{variable}: unsupported proxy scheme `socks5`") as raised:
        load_settings(**KNOWN)
    assert SECRET not in str(raised.value)
    if variable != "PM_AUTOACCEPT_PROXY":
        assert (
            load_settings(**KNOWN | {"service": "http://127.0.0.1:1/ws"}).proxies.route("http://127.0.0.1:1/").proxy
            is None
        )
