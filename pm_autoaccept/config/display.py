"""Lists the settings in effect, each with its origin (option, variable, file or default); secrets are redacted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from pydantic import SecretStr

from pm_autoaccept.config.formats import redact_proxy
from pm_autoaccept.config.precedence import ENVIRONMENT_SETTINGS, Program
from pm_autoaccept.config.settings import Settings
from pm_autoaccept.config.settings_file import ACCOUNT_SETTINGS
from pm_autoaccept.redaction import HIDDEN, redact_url

_SECONDS_PER_UNIT = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSetting:
    """One setting, safe to show. `account` is None if it applies to the whole program; `value` is "" if it is unset."""

    account: str | None
    setting: str
    value: str
    origin: str


def list_settings(program: Program) -> Iterator[ListedSetting]:
    """Every setting: first those of the whole program, then those of each account."""
    for name in ENVIRONMENT_SETTINGS:
        if name not in ACCOUNT_SETTINGS:
            yield _listed(program, program.accounts[0], name, None)
    first = program.accounts[0]
    for name, address in first.connections.items():
        setting = f"connections.{name}"
        origin = program.origins[first.name][setting].text
        yield ListedSetting(account=None, setting=setting, value=redact_url(address.get_secret_value()), origin=origin)
    for name, target in program.targets.items():
        setting = f"targets.{name}"
        origin = program.origins[first.name][setting].text
        yield ListedSetting(account=None, setting=setting, value=target.shown, origin=origin)
    for account in program.accounts:
        for name in ACCOUNT_SETTINGS:
            yield _listed(program, account, name, account.name)


def _listed(program: Program, account: Settings, name: str, of: str | None) -> ListedSetting:
    origin = program.origins[account.name].get(name)
    return ListedSetting(
        account=of,
        setting=name,
        value=_written(account, name),
        origin="default" if origin is None else origin.text,
    )


def _written(settings: Settings, name: str) -> str:
    """The value as a user would write it."""
    value = getattr(settings, name)
    written = "" if value is None else str(value)
    if name == "proxy" and isinstance(value, SecretStr):
        written = redact_proxy(value.get_secret_value())
    elif isinstance(value, SecretStr):
        written = HIDDEN
    elif name == "ledger":
        written = settings.ledger_shown
    elif name == "service" and "://" in written:
        written = settings.service_shown
    elif name == "rate":
        written = "none" if value is None else _rate(value)
    elif isinstance(value, timedelta):
        written = _duration(value)
    elif isinstance(value, tuple):
        written = ", ".join(value)
    return written


def _duration(value: timedelta) -> str:
    """A duration in one unit, because a setting may not have two (`90s`, not `1m 30s`)."""
    seconds = int(value.total_seconds())
    unit, length = next(each for each in _SECONDS_PER_UNIT if seconds % each[1] == 0)
    return f"{seconds // length}{unit}"


def _rate(calls_per_second: float) -> str:
    rate = Fraction(calls_per_second).limit_denominator(86400)
    return f"{rate.numerator} per {_duration(timedelta(seconds=rate.denominator))}"
