"""Defines every setting of an account: its type, default, limits, and which settings conflict."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from pm_autoaccept.config.formats import (
    check_event_loop,
    parse_duration,
    parse_groups,
    parse_ledger,
    parse_listen,
    parse_proxy_setting,
    parse_rate,
)
from pm_autoaccept.egress import DIRECT, Proxies
from pm_autoaccept.model import Mode
from pm_autoaccept.record import RETRY_WITHIN
from pm_autoaccept.redaction import redact_url

EPA_HOST = "portfoliomanager.energystar.gov"
SERVICES = {"live": f"https://{EPA_HOST}/ws", "test": f"https://{EPA_HOST}/wstest"}
"""EPA's two environments (docs/protocol.md#environments)."""

DEFAULT_NAME = "default"
"""The account's name if the settings name no accounts."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
Rate = Annotated[float | None, BeforeValidator(parse_rate)]
Listen = Annotated[str | None, BeforeValidator(parse_listen)]
Groups = Annotated[tuple[str, ...], BeforeValidator(parse_groups)]
ProxyAddress = Annotated[SecretStr | None, BeforeValidator(parse_proxy_setting)]
EventLoop = Annotated[Literal["asyncio", "uvloop"], AfterValidator(check_event_loop)]
LedgerAddress = Annotated[str, BeforeValidator(parse_ledger)]


class Settings(BaseModel):
    """The settings of one account. Secrets come from the environment or from files, never from options.

    Attributes:
        ledger: the whole address, including the password if there is one; show people `ledger_shown`.
        proxy: an address, or `none` for no proxy; None to use HTTPS_PROXY and the like. `proxies` resolves it.
        proxy_variables: HTTPS_PROXY and the like, as `egress.proxy_variables` returns them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, hide_input_in_errors=True)

    name: str = Field(default=DEFAULT_NAME, description="the account's name in the settings file")
    service: str = Field(repr=False, description="test, live, or a base URL")
    username: str = Field(min_length=1, description="the provider account's username")
    password: SecretStr = Field(min_length=1, description="the provider account's password")
    policy: Path = Field(description="the policy folder")
    ledger: LedgerAddress = Field(default="sqlite:///pm-autoaccept.db", repr=False, description="the ledger's address")
    ledger_password: SecretStr | None = Field(default=None, description="the password of the ledger's database user")
    mode: Mode = Field(default=Mode.OBSERVE, description="observe decides and records; enforce also answers")
    interval: Duration = Field(
        default=timedelta(seconds=60), gt=timedelta(0), description="the wait between two cycles"
    )
    in_flight: int = Field(default=4, ge=1, le=256, description="the maximum number of concurrent calls")
    rate: Rate = Field(default=4.0, description="the maximum rate of calls")
    timeout: Duration = Field(default=timedelta(seconds=60), gt=timedelta(0), description="the time limit of one call")
    proxy: ProxyAddress = Field(
        default=None,
        description="the proxy for all HTTP traffic, or none for no proxy; overrides HTTPS_PROXY",
    )
    proxy_password: SecretStr | None = Field(default=None, description="the proxy's password")
    unknown_wait: Duration = Field(
        default=timedelta(minutes=5),
        gt=timedelta(0),
        description="the wait before an unknown outcome is settled",
    )
    review_grace: Duration = Field(
        default=timedelta(seconds=10), ge=timedelta(0), description="how long a reviewer's answer can be taken back"
    )
    review_expiry: Duration = Field(
        default=timedelta(days=1), gt=timedelta(0), description="how long a reviewer's answer waits before it is void"
    )
    lease: Duration = Field(
        default=timedelta(minutes=2),
        gt=timedelta(0),
        description="how long a replica holds an account without renewing its lease",
    )
    retention: Duration | None = Field(
        default=None, gt=timedelta(0), description="how long personal data stays in the ledger before it is masked"
    )
    groups: Groups = Field(default=(), description="the groups that policies may notify")
    heartbeat: Path | None = Field(default=None, description="a file that is touched after each successful cycle")
    pause_file: Path | None = Field(default=None, description="answering is paused while this file exists")
    listen: Listen = Field(default=None, description="HOST:PORT for /livez, /readyz and /metrics")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the lowest level that is logged"
    )
    connections: dict[str, SecretStr] = Field(default={}, description="the databases that policies query, by name")
    proxy_variables: dict[str, tuple[str, str]] = Field(
        default={}, repr=False, description="HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY"
    )
    log_format: Literal["auto", "text", "json"] = Field(default="auto", description="the format of log lines")
    event_loop: EventLoop = Field(default="asyncio", description="the event loop of the program")

    @property
    def base_url(self) -> str:
        """The service's base URL, without a trailing slash."""
        return SERVICES.get(self.service, self.service).rstrip("/")

    @property
    def is_simulator(self) -> bool:
        """Whether the service is on this machine: only a simulator is."""
        return urlsplit(self.base_url).hostname in _LOOPBACK

    @property
    def service_shown(self) -> str:
        """The service's base URL, redacted: without user information and query values."""
        return redact_url(self.base_url)

    @property
    def ledger_shown(self) -> str:
        """The ledger's address, redacted: without user information and query values."""
        return redact_url(self.ledger)

    @property
    def first_answer_wait(self) -> timedelta:
        """How old a ledger must be before the first answer is sent.

        A new ledger may replace one that was lost, and an answer that only the lost one recorded may be in flight.
        """
        return timedelta() if self.is_simulator or self.mode is Mode.OBSERVE else self.unknown_wait

    @property
    def proxies(self) -> Proxies:
        """The proxy configuration: from `proxy`, or from HTTPS_PROXY and the like."""
        return Proxies(
            setting=None if self.proxy is None else self.proxy.get_secret_value(),
            password=None if self.proxy_password is None else self.proxy_password.get_secret_value(),
            variables=self.proxy_variables,
        )

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if faults := list(self._combination_faults()):
            raise ValueError("\n".join(faults))
        return self

    def _combination_faults(self) -> Iterator[str]:
        valid_url = _is_base_url(self.base_url)
        if not valid_url:
            yield "invalid service; use test, live, or a base URL such as https://HOST/PATH"
        if self.proxy_password is not None and self.proxies.setting in {None, DIRECT}:
            yield "proxy_password is set but proxy is not; set proxy, or remove proxy_password"
        try:
            # Report an unusable proxy at start-up, even if it comes from HTTPS_PROXY and the like.
            if valid_url:
                self.proxies.route(self.base_url)
        except ValueError as error:
            yield str(error)
        if self.lease < 1.5 * self.timeout:
            yield (
                f"lease ({self.lease.total_seconds():g}s) must be at least 1.5 times timeout "
                f"({self.timeout.total_seconds():g}s), so that no answer outlives it; raise lease or lower timeout"
            )
        if self.is_simulator or urlsplit(self.base_url).scheme not in {"http", "https"}:
            return
        if self.mode is Mode.ENFORCE and self.base_url not in SERVICES.values():
            yield (
                "mode enforce is only allowed with EPA's services and with a simulator on this machine, because any "
                "other host would receive the password and the answers; use mode observe, or service live or test"
            )
        if self.rate is None:
            yield "rate none is only allowed with a simulator; use calls per duration, for example 4 per 1s"
        if self.unknown_wait <= self.timeout + RETRY_WITHIN:
            yield "unknown_wait must be longer than timeout plus two minutes: a POST may be in flight until then"


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
