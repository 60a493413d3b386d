"""What goes to EPA's own hosts, which no simulator can stand for: aioresponses answers in their place."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from types import SimpleNamespace

import aiohttp
import pytest
from aioresponses import aioresponses
from yarl import URL

from pm_autoaccept.config import Settings, load_settings
from pm_autoaccept.data_sources import example_policy
from pm_autoaccept.errors import NotSent
from tests.examples import at_work

TEST, LIVE = "https://portfoliomanager.energystar.gov/wstest", "https://portfoliomanager.energystar.gov/ws"
ACCOUNT = b"<account><id>87267</id><username>prairie_power</username></account>"


@pytest.fixture
def epa(monkeypatch) -> Iterator[aioresponses]:
    """EPA's hosts, answered in this process; whatever else is asked for fails.

    aioresponses 0.7.9 makes its answers without the stream writer that aiohttp 3.14 asks for.
    """
    make = aiohttp.ClientResponse.__init__

    def with_writer(self, *arguments, **named) -> None:
        make(self, *arguments, **{"stream_writer": SimpleNamespace(output_size=0)} | named)

    monkeypatch.setattr(aiohttp.ClientResponse, "__init__", with_writer)
    with aioresponses() as answers:
        yield answers


def settings(service: str) -> Settings:
    """Settings for one of EPA's hosts, in observe mode."""
    return load_settings(
        service=service,
        username="prairie_power",
        password="Wrong-Meter-1",
        policy=example_policy("hold-everything"),
        ledger="sqlite://",
    )


async def no_wait(_seconds: float) -> None:
    """Wait for nothing."""


@pytest.mark.parametrize(("service", "base"), [("test", TEST), ("live", LIVE)])
async def test_signing_in_is_one_get_account_alone(epa, service, base):
    """Whatever the service is called, its account is asked for first, over TLS, at EPA's own address."""
    epa.get(f"{base}/account", body=ACCOUNT, content_type="application/xml")
    async with at_work(settings(service), sleep=no_wait) as cycle:
        assert cycle.provider.id == 87267
        assert list(epa.requests) == [("GET", URL(f"{base}/account"))]


async def test_a_certificate_that_does_not_verify_is_never_passed_over(epa):
    """Nothing is sent to a host that cannot prove who it is, and the message says what failed."""
    key = SimpleNamespace(host="portfoliomanager.energystar.gov", port=443, is_ssl=True, ssl=True)
    refused = aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError("self-signed certificate"))
    epa.get(f"{TEST}/account", exception=refused, repeat=True)
    with pytest.raises(NotSent, match="self-signed certificate") as raised:
        async with at_work(settings("test"), sleep=no_wait):
            pass
    assert "Wrong-Meter-1" not in str(raised.value)
