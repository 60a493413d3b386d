"""The settings: `PM_AUTOACCEPT_…` variables, `…_FILE` secrets, and what the command line says above them."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.model import Mode
from pm_autoaccept.record import REPEAT_WITHIN

PREFIX = "PM_AUTOACCEPT_"

EPA_HOST = "portfoliomanager.energystar.gov"
SERVICES = {"live": f"https://{EPA_HOST}/ws", "test": f"https://{EPA_HOST}/wstest"}
"""EPA's two environments (reference §2)."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def parse_duration(text: object) -> object:
    """Read `90s`, `5m`, `1h` or `2d`; other things are left to the type that they are meant for."""
    if not isinstance(text, str):
        return text
    match = re.fullmatch(r"(\d{1,6})([smhd])", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration; write a number and s, m, h or d, as 60s")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def parse_rate(text: object) -> object:
    """Read `4 per 1s` as calls per second; `none` as no limit."""
    if not isinstance(text, str):
        return text
    if text.strip() == "none":
        return None
    match = re.fullmatch(r"(\d{1,6}) per (\d{1,6}[smhd])", text.strip())
    period = parse_duration(match[2]) if match else None
    if match is None or not isinstance(period, timedelta) or not period or not int(match[1]):
        raise ValueError(f"{text!r} is no rate; write it as 4 per 1s, or none for a simulator")
    return int(match[1]) / period.total_seconds()


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Rate = Annotated[float | None, BeforeValidator(parse_rate)]


class Settings(BaseSettings):
    """What one account's daemon needs to know. Secrets come from the environment or from files, never from options."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, validate_default=True)

    service: str = Field(description="test, live, or a base URL")
    username: str = Field(min_length=1, description="the provider account's username")
    password: SecretStr = Field(min_length=1, description="the provider account's password")
    policy: Path = Field(description="the policy folder")
    ledger: str = Field(default="sqlite:///pm-autoaccept.db", description="the ledger's address")
    mode: Mode = Field(default=Mode.OBSERVE, description="observe decides and records; enforce also answers")
    interval: Duration = Field(
        default=timedelta(seconds=60), gt=timedelta(0), description="from one cycle's end to the next"
    )
    in_flight: int = Field(default=4, ge=1, le=256, description="calls at once")
    rate: Rate = Field(default=4.0, description="calls over time")
    timeout: Duration = Field(default=timedelta(seconds=60), gt=timedelta(0), description="for one call")
    unknown_wait: Duration = Field(
        default=timedelta(minutes=5), gt=timedelta(0), description="before an unknown answer is settled"
    )
    heartbeat: Path | None = Field(default=None, description="a file touched after each good cycle")

    @property
    def base_url(self) -> str:
        """The service's base URL, without a slash at its end."""
        return SERVICES.get(self.service, self.service).rstrip("/")

    @property
    def is_simulator(self) -> bool:
        """Whether the service is on this machine, as only a simulator is."""
        return urlsplit(self.base_url).hostname in _LOOPBACK

    @model_validator(mode="after")
    def _allowed_together(self) -> Self:
        if urlsplit(self.base_url).scheme not in {"http", "https"}:
            raise ValueError("service must be test, live, or a base URL as https://HOST/PATH")
        if self.is_simulator:
            return self
        if self.mode is Mode.ENFORCE and self.base_url != SERVICES["test"]:
            raise ValueError(
                "enforce is not allowed with the live service in this version, because limits and pause do not exist "
                "yet; use observe, or service=test, or a simulator"
            )
        if self.rate is None:
            raise ValueError("rate none is for a simulator only; write as 4 per 1s")
        if self.unknown_wait <= self.timeout + REPEAT_WITHIN:
            raise ValueError(
                "unknown_wait must be longer than timeout and two minutes: a POST may be on its way until then"
            )
        return self


def load_settings(**said: Any) -> Settings:  # noqa: ANN401 — the command line's values, checked by the settings' own types
    """Read the settings; what the command line says (not None) stands above the environment.

    Raises:
        ConfigurationError: all that is missing or wrong, each with what to do.
    """
    values = _secrets_from_files() | {name: value for name, value in said.items() if value is not None}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationError("\n".join(_humane(each) for each in error.errors(include_url=False))) from None


def _secrets_from_files() -> dict[str, str]:
    """Read each `PM_AUTOACCEPT_…_FILE`, as containers hand secrets over. A newline at the end is not part of it."""
    values: dict[str, str] = {}
    for name in Settings.model_fields:
        variable = f"{PREFIX}{name.upper()}_FILE"
        path = os.environ.get(variable)
        if path is None:
            continue
        if f"{PREFIX}{name.upper()}" in os.environ:
            raise ConfigurationError(f"{variable} and {variable.removesuffix('_FILE')} are both set; set only one")
        try:
            values[name] = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(f"{variable} names {path}, which cannot be read: {error}") from error
    return values


def _humane(error: Any) -> str:  # noqa: ANN401 — pydantic's ErrorDetails
    """One fault in the settings, for the person who sets them. The value itself is never shown: it may be a secret."""
    message = str(error["msg"]).removeprefix("Value error, ")
    if not error["loc"]:
        return message
    name = str(error["loc"][0])
    variable = PREFIX + name.upper()
    if error["type"] == "missing":
        described = Settings.model_fields[name].description
        return f"{variable} is not set ({described})"
    return f"{variable}: {message}"


def ledger_address(said: str | None) -> str:
    """The ledger's address for commands that need no other setting."""
    default = str(Settings.model_fields["ledger"].default)
    return said or os.environ.get(f"{PREFIX}LEDGER") or default
