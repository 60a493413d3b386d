"""Serves `/livez`, `/readyz` and `/metrics` on one port, for probes and scrapers."""

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
"""So long a scrape in hand may keep the program from leaving."""


@asynccontextmanager
async def serve_probes(telemetry: Telemetry, *, host: str, port: int) -> AsyncIterator[tuple[str, int]]:
    """Serve until left; yields the address, of interest where port 0 let the system choose.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    runner = web.AppRunner(_application(telemetry), access_log=None, shutdown_timeout=SHUTDOWN_TIMEOUT.total_seconds())
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"/livez, /readyz and /metrics cannot be served on {host}:{port}: {error}; "
                "name another HOST:PORT in PM_AUTOACCEPT_LISTEN"
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
    # A probe that a proxy answers from its memory is none.
    return web.json_response(answer.body, status=answer.status, headers={"Cache-Control": "no-store"})
