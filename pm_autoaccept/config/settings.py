"""The settings of one account: what there is, how each is written, and what is not allowed together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from pm_autoaccept.config.formats import (
    parse_duration,
    parse_groups,
    parse_ledger,
    parse_listen,
    parse_proxy_setting,
    parse_rate,
)
from pm_autoaccept.egress import DIRECTLY, Proxies
from pm_autoaccept.model import Mode
from pm_autoaccept.record import REPEAT_WITHIN
from pm_autoaccept.redaction import shown

EPA_HOST = "portfoliomanager.energystar.gov"
SERVICES = {"live": f"https://{EPA_HOST}/ws", "test": f"https://{EPA_HOST}/wstest"}
"""EPA's two environments (reference §2)."""

DEFAULT_NAME = "default"
"""The account's name where the settings have only one, and give it none."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Rate = Annotated[float | None, BeforeValidator(parse_rate)]
Listen = Annotated[str | None, BeforeValidator(parse_listen)]
Groups = Annotated[tuple[str, ...], BeforeValidator(parse_groups)]
ProxyAddress = Annotated[SecretStr | None, BeforeValidator(parse_proxy_setting)]
LedgerAddress = Annotated[str, BeforeValidator(parse_ledger)]


class Settings(BaseModel):
    """What one account's daemon needs to know. Secrets come from the environment or from files, never from options.

    Attributes:
        ledger: the whole address, with the password where there is one; `ledger_shown` is for people.
        proxy: an address, or `none` for no proxy; None where the usual variables count. `proxies` is what follows.
        proxy_variables: the usual variables, as `egress.proxy_variables` returns them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)

    name: str = Field(default=DEFAULT_NAME, description="the account's name in the settings file")
    service: str = Field(repr=False, description="test, live, or a base URL")
    username: str = Field(min_length=1, description="the provider account's username")
    password: SecretStr = Field(min_length=1, description="the provider account's password")
    policy: Path = Field(description="the policy folder")
    ledger: LedgerAddress = Field(default="sqlite:///pm-autoaccept.db", repr=False, description="the ledger's address")
    ledger_password: SecretStr | None = Field(default=None, description="the password of the ledger's database")
    mode: Mode = Field(default=Mode.OBSERVE, description="observe decides and records; enforce also answers")
    interval: Duration = Field(
        default=timedelta(seconds=60), gt=timedelta(0), description="from one cycle's end to the next"
    )
    in_flight: int = Field(default=4, ge=1, le=256, description="calls at once")
    rate: Rate = Field(default=4.0, description="calls over time")
    timeout: Duration = Field(default=timedelta(seconds=60), gt=timedelta(0), description="for one call")
    proxy: ProxyAddress = Field(
        default=None,
        description="the proxy that all HTTP goes through, or none for no proxy whatever the variables say",
    )
    proxy_password: SecretStr | None = Field(default=None, description="the proxy's password")
    unknown_wait: Duration = Field(
        default=timedelta(minutes=5), gt=timedelta(0), description="before an unknown answer is settled"
    )
    lease: Duration = Field(
        default=timedelta(minutes=2), gt=timedelta(0), description="how long a replica keeps an account"
    )
    retention: Duration | None = Field(
        default=None, gt=timedelta(0), description="how long names and what customers typed stay in the ledger"
    )
    groups: Groups = Field(default=(), description="the groups of people whom policies may tell")
    heartbeat: Path | None = Field(default=None, description="a file touched after each good cycle")
    pause_file: Path | None = Field(default=None, description="nothing is answered while this file is there")
    listen: Listen = Field(default=None, description="HOST:PORT for /livez, /readyz and /metrics")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="from which level on events are logged"
    )
    connections: dict[str, SecretStr] = Field(default={}, description="databases that policies ask for data, by name")
    proxy_variables: dict[str, tuple[str, str]] = Field(
        default={}, repr=False, description="HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY as they are set"
    )
    log_format: Literal["auto", "text", "json"] = Field(default="auto", description="how events are logged")

    @property
    def base_url(self) -> str:
        """The service's base URL, without a slash at its end."""
        return SERVICES.get(self.service, self.service).rstrip("/")

    @property
    def is_simulator(self) -> bool:
        """Whether the service is on this machine, as only a simulator is."""
        return urlsplit(self.base_url).hostname in _LOOPBACK

    @property
    def service_shown(self) -> str:
        """The service's base URL for people, without user information and query values."""
        return shown(self.base_url)

    @property
    def ledger_shown(self) -> str:
        """The ledger's address for people, without user information and query values."""
        return shown(self.ledger)

    @property
    def first_answer_wait(self) -> timedelta:
        """How long a ledger must have existed before anything is answered with it.

        Where it has taken the place of one that was lost, an answer that nobody remembers may be on its way still.
        """
        return timedelta() if self.is_simulator or self.mode is Mode.OBSERVE else self.unknown_wait

    @property
    def proxies(self) -> Proxies:
        """The proxies that are set: by the setting, or by the usual variables."""
        return Proxies(
            setting=None if self.proxy is None else self.proxy.get_secret_value(),
            password=None if self.proxy_password is None else self.proxy_password.get_secret_value(),
            variables=self.proxy_variables,
        )

    @model_validator(mode="after")
    def _allowed_together(self) -> Self:
        if faults := list(self._faults_together()):
            raise ValueError("\n".join(faults))
        return self

    def _faults_together(self) -> Iterator[str]:
        there_is = _is_base_url(self.base_url)
        if not there_is:
            yield "service must be test, live, or a base URL as https://HOST/PATH"
        if self.proxy_password is not None and self.proxies.setting in {None, DIRECTLY}:
            yield "proxy_password is the password of proxy, which names none; set proxy, or take this out"
        try:
            # A proxy that cannot be used is told at once, also where a variable names it.
            if there_is:
                self.proxies.route(self.base_url)
        except ValueError as error:
            yield str(error)
        if self.lease < 1.5 * self.timeout:
            yield (
                f"lease ({self.lease.total_seconds():g}s) must be at least one and a half times timeout "
                f"({self.timeout.total_seconds():g}s), since no answer may outlive it; make lease longer, or timeout "
                "shorter"
            )
        if self.is_simulator or urlsplit(self.base_url).scheme not in {"http", "https"}:
            return
        if self.mode is Mode.ENFORCE and self.base_url not in SERVICES.values():
            yield (
                "enforce is for EPA's services and for a simulator on this machine: any other host would get the "
                "password and the answers; use observe, or service=live, or service=test"
            )
        if self.rate is None:
            yield "rate none is for a simulator only; write as 4 per 1s"
        if self.unknown_wait <= self.timeout + REPEAT_WITHIN:
            yield "unknown_wait must be longer than timeout and two minutes: a POST may be on its way until then"


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
