"""Says the settings in force, each with where it came from, and none of the secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from pydantic import SecretStr

from pm_autoaccept.config.formats import proxy_shown
from pm_autoaccept.config.load import IN_THE_ENVIRONMENT, Program
from pm_autoaccept.config.settings import Settings
from pm_autoaccept.config.settings_file import OF_AN_ACCOUNT
from pm_autoaccept.redaction import shown

HIDDEN = "***"
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidSetting:
    """One setting as it may be shown. `account` is None for what is the whole program's; `value` "" for none."""

    account: str | None
    setting: str
    value: str
    origin: str


def said(program: Program) -> Iterator[SaidSetting]:
    """Every setting: the whole program's first, then each account's."""
    for name in IN_THE_ENVIRONMENT:
        if name not in OF_AN_ACCOUNT:
            yield _said(program, program.accounts[0], name, None)
    first = program.accounts[0]
    for name, address in first.connections.items():
        setting = f"connections.{name}"
        origin = program.origins[first.name][setting].text
        yield SaidSetting(account=None, setting=setting, value=shown(address.get_secret_value()), origin=origin)
    for account in program.accounts:
        for name in OF_AN_ACCOUNT:
            yield _said(program, account, name, account.name)


def _said(program: Program, account: Settings, name: str, of: str | None) -> SaidSetting:
    origin = program.origins[account.name].get(name)
    return SaidSetting(
        account=of,
        setting=name,
        value=_written(account, name),
        origin="default" if origin is None else origin.text,
    )


def _written(settings: Settings, name: str) -> str:
    """The value as one would write it."""
    value = getattr(settings, name)
    written = "" if value is None else str(value)
    if name == "proxy" and isinstance(value, SecretStr):
        written = proxy_shown(value.get_secret_value())
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
    seconds = int(value.total_seconds())
    unit, length = next(each for each in _UNITS if seconds % each[1] == 0)
    return f"{seconds // length}{unit}"


def _rate(calls_per_second: float) -> str:
    rate = Fraction(calls_per_second).limit_denominator(86400)
    return f"{rate.numerator} per {_duration(timedelta(seconds=rate.denominator))}"
