"""`connections` in the settings file: databases by name, their passwords kept elsewhere and shown nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from pm_autoaccept.config import list_settings, load_accounts
from pm_autoaccept.errors import ConfigurationError

SECRET = "s3cret/w0rd"
REST = "service: test\nusername: prairie_power\npassword_file: secret\npolicy: policy\n"


@pytest.fixture(autouse=True)
def a_secret_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret lies beside the settings file."""
    monkeypatch.setenv("CRM_PASSWORD", "other")
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    monkeypatch.chdir("/")


def load(tmp_path: Path, text: str):
    """The program's settings from a file."""
    path = tmp_path / "settings.yaml"
    path.write_text(REST + text)
    return load_accounts(settings=path)


CONNECTIONS = """
connections:
  billing: {url: postgresql://pm@db.internal/billing, password_file: secret}
  crm:
    url: postgresql://crm@db.internal:5433/crm?sslmode=require
    password_env: CRM_PASSWORD
  trusted: {url: postgresql://db.internal/t}
  points: {url: sqlite:///data/points.db}
"""


def test_addresses_with_their_passwords(tmp_path):
    """Each has its password in it, escaped; a file lies beside the settings file."""
    connections = load(tmp_path, CONNECTIONS).accounts[0].connections
    assert {name: address.get_secret_value() for name, address in connections.items()} == {
        "billing": "postgresql://pm:s3cret%2Fw0rd@db.internal/billing",
        "crm": "postgresql://crm:other@db.internal:5433/crm?sslmode=require",
        "trusted": "postgresql://db.internal/t",
        "points": f"sqlite:///{tmp_path}/data/points.db",
    }


def test_every_account_has_them(tmp_path):
    """Connections are the whole program's."""
    path = tmp_path / "settings.yaml"
    accounts = "".join(f"  {name}: {{username: {name}, password_file: secret}}\n" for name in ("one", "two"))
    path.write_text(f"service: test\npolicy: policy\n{CONNECTIONS}accounts:\n{accounts}")
    one, two = load_accounts(settings=path).accounts
    assert one.connections == two.connections
    assert len(one.connections) == 4


def test_they_are_shown_without_passwords(tmp_path):
    """What doctor shows, and how settings are printed, has no password in it."""
    program = load(tmp_path, CONNECTIONS)
    shown = {each.setting: (each.value, each.origin) for each in list_settings(program)}
    assert shown["connections.billing"] == (
        "postgresql://db.internal/billing",
        f"{tmp_path}/settings.yaml:7",
    )
    assert shown["connections.points"][0] == f"sqlite:///{tmp_path}/data/points.db"
    for text in (repr(program), str(shown)):
        assert "s3cret" not in text
        assert "other@" not in text
    assert isinstance(program.accounts[0].connections["billing"], SecretStr)


@pytest.mark.parametrize(
    ("connections", "place", "why"),
    [
        ("connections: billing", "5:14", "`connections` must be a mapping of names"),
        ("connections: {billing: postgresql://db/x}", "5:24", "a connection must be a mapping"),
        ("connections: {billing: {password_file: secret}}", "5:15", "missing `url`"),
        ("connections: {b: {url: sqlite:///x, pasword_file: x}}", "5:37", "did you mean `password_file`?"),
        ("connections: {b: {url: 'postgresql://u:s3cret@h/d'}}", "5:24", "the address contains a password"),
        ("connections: {b: {url: postgresql://u@h/d, password: s3cret}}", "5:44", "put it in a file of its own"),
        ("connections: {b: {url: mysql://u@h/d}}", "5:24", "invalid database address"),
        ("connections: {b: {url: 'sqlite://'}}", "5:24", "invalid database address"),
        ("connections: {b: {url: [x]}}", "5:24", "`url` must be a single value"),
        (
            "connections: {b: {url: sqlite:///x, password_file: secret, password_env: CRM_PASSWORD}}",
            "5:15",
            "password_file and password_env are both set",
        ),
        ("connections: {b: {url: postgresql://u@h/d, password_file: missing}}", "5:59", "cannot read the file"),
        ("connections: {b: {url: postgresql://u@h/d, password_env: MISSING}}", "5:58", "MISSING is not set"),
        ("connections: {b: {url: postgresql://h/d, password_file: secret}}", "5", "has a password but no user"),
        ("accounts: {one: {username: x, connections: {}}}", "", "move it above `accounts`"),
    ],
)
def test_faults(tmp_path, connections, place, why):
    """Each is told with its place and what to do, and no password is repeated."""
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, connections)
    told = str(caught.value)
    assert why in told
    assert f"settings.yaml:{place}" in told
    assert "s3cret" not in told
