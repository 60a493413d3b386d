"""HTTP server for the health probes `/livez` and `/readyz` and for Prometheus `/metrics`, on one port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web
from prometheus_client.aiohttp import make_aiohttp_handler

from pm_autoaccept.errors import ConfigurationError
from pm_autoaccept.telemetry.health import ProbeResponse, liveness, readiness
from pm_autoaccept.telemetry.telemetry import Telemetry

SHUTDOWN_TIMEOUT = timedelta(seconds=1)
"""How long a scrape in flight may delay the shutdown."""


@asynccontextmanager
async def serve_probes(telemetry: Telemetry, *, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Serve until the context ends. Yields the host and port, since with port 0 the system chooses the port.

    Raises:
        ConfigurationError: the program cannot listen on this address.
    """
    runner = web.AppRunner(_application(telemetry), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT.total_seconds())
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"/livez, /readyz and /metrics cannot be served on {host}:{port}: {error}; "
                "set PM_AUTOACCEPT_LISTEN to another HOST:PORT"
            ) from error
        bound = runner.addresses[0]
        yield bound[0], bound[1]
    finally:
        await runner.cleanup()


def _application(telemetry: Telemetry) -> web.Application:
    async def livez(_request: web.Request) -> web.Response:
        return _response(liveness(telemetry.accounts))

    async def readyz(_request: web.Request) -> web.Response:
        return _response(readiness(telemetry.accounts, now=telemetry.now()))

    application = web.Application()
    application.router.add_get("/livez", livez)
    application.router.add_get("/readyz", readyz)
    application.router.add_get("/metrics", make_aiohttp_handler(telemetry.registry))
    return application


def _response(answer: ProbeResponse) -> web.Response:
    # A proxy must not answer a probe from its cache.
    return web.json_response(answer.body, status=answer.status, headers={"Cache-Control": "no-store"})
