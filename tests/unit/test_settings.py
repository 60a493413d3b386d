"""The settings: which value stands above which, what is refused and where, and that no secret is ever shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pm_autoaccept.config import host_and_port, ledger_address, load_accounts, load_settings, policy_folder
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
    with pytest.raises(ConfigurationError, match="no account `three`; there is one, two"):
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
    with pytest.raises(ConfigurationError, match=r"settings.yaml:13:19: the variable THE_OTHER is not set"):
        load_accounts(settings=write(TWO))


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("", "", "the file is empty"),
        ("- mode", "1:1", "a settings file is a mapping"),
        ("mod: observe", "1:1", "has no `mod` (did you mean `mode`?)"),
        ("mode: observe\nmode: enforce", "2:1", "already stands in line 1"),
        ("mode: [observe]", "1:7", "`mode` is one value"),
        ("mode: &a observe", "1:7", "YAML anchor"),
        ("mode: !x observe", "1:7", "YAML tag"),
        ("mode: on", "1:7", "Input should be 'observe' or 'enforce'"),
        ("interval: 1 minute", "1:11", "is no duration"),
        ("listen: 9090", "1:9", "HOST:PORT"),
        ("ledger: mysql://x/y", "1:9", "SQLite or PostgreSQL"),
        ("accounts: one", "1:11", "`accounts` is a mapping"),
        (TWO.replace("  two:", "  one:"), "10:3", "`one` already stands in line 4"),
        (TWO.replace("  two:", "  Two:"), "10:3", "an account's name"),
        (TWO.replace("    service: live", "    ledger: x"), "11:5", "`ledger` is the whole program's"),
        (TWO.replace("    service: live", "    sevice: live"), "11:5", "did you mean `service`"),
        (TWO.replace("    username: prairie_power\n    password_env", "    password_env"), "10:3", "`two` lacks `user"),
        (TWO.replace("    password_env: THE_OTHER\n", ""), "10:3", "`two` lacks `password_file`"),
        (TWO.replace("mode: observe", "username: x"), "1:11", "has a username of its own"),
        (TWO.replace("service: live", "service: test"), "", "`one` and `two` are both prairie_power"),
        (TWO.replace("interval: 90s", "timeout: 2m"), "4:3", "account `one`: lease"),
        (TWO.replace("interval: 90s", "unknown_wait: 3m"), "10:3", "unknown_wait must be longer"),
        (TWO.replace("password_file: secret", "password_file: nowhere"), "7:20", "nowhere cannot be read"),
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
    with pytest.raises(ConfigurationError, match="put it into a file of its own and name that with password_file"):
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
    with pytest.raises(ConfigurationError, match=r"--listen: .* write HOST:PORT"):
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
    with pytest.raises(ConfigurationError, match="enforce is for EPA's services and for a simulator"):
        load_settings(**KNOWN | {"service": "https://pm.example/ws"}, mode="enforce")


def test_groups_of_people_are_named_with_commas_between_them(monkeypatch):
    """As policies name them; none by default."""
    assert load_settings(**KNOWN).groups == ()
    assert load_settings(**KNOWN, groups="tenant-forms, supervisors").groups == ("tenant-forms", "supervisors")
    monkeypatch.setenv("PM_AUTOACCEPT_GROUPS", "The Boss")
    with pytest.raises(ConfigurationError, match="write the names of groups with commas between them"):
        load_settings(**KNOWN)
