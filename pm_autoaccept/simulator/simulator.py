"""A simulated Portfolio Manager that runs in this process, on a port of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from pm_autoaccept.model import Kind
from pm_autoaccept.simulator import actions
from pm_autoaccept.simulator.call_log import Call, Log
from pm_autoaccept.simulator.faults import Faults
from pm_autoaccept.simulator.pending_lists import Lists, Page
from pm_autoaccept.simulator.server import Server
from pm_autoaccept.simulator.services import BASE
from pm_autoaccept.simulator.switchboard import Switchboard
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Effect, World


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Simulator:
    """A Portfolio Manager that other people's clients can talk to; an asynchronous context manager.

    ::

        async with Simulator(world_from_seed(seed=7, pending=200, now=now)) as simulator:
            ...  # simulator.url, simulator.username, simulator.password

    Attributes:
        world: what it knows; tests may read it at any time.
        log: every call, in order.
        faults: what goes wrong on purpose.
    """

    def __init__(
        self,
        world: World,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        latency: float = 0,
        inferred: Inferred | None = None,
        clock: Callable[[], datetime] = _utc_now,
        fault_seed: int = 0,
    ) -> None:
        """Make it ready to start.

        Args:
            world: what it begins with; it is changed in place.
            host: the address to listen on.
            port: 0 for any free one.
            latency: seconds before each call is processed.
            inferred: how it behaves where Portfolio Manager's behaviour is not confirmed; as the world says if None.
            clock: what time it is, with an offset.
            fault_seed: seeds the dice of faults that happen at a rate.
        """
        self.world = world
        self.log = Log()
        self.faults = Faults(fault_seed)
        self._host = host
        self._port = port
        self._inferred = inferred or world.inferred
        self._clock = clock
        self._server = Server(
            world, inferred=self._inferred, latency=latency, clock=clock, faults=self.faults, log=self.log
        )
        self._lists = Lists()
        self._runner: web.AppRunner | None = None

    @property
    def root_url(self) -> str:
        """`http://host:port`; the switchboard stands under `/simulator/` there."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def url(self) -> str:
        """The base URL of the services, ending in /wstest."""
        return self.root_url + BASE

    @property
    def username(self) -> str:
        """The provider's username."""
        return self.world.provider.username

    @property
    def password(self) -> str:
        """The provider's password."""
        return self.world.provider.password

    @property
    def before_processing(self) -> Callable[[Call], None] | None:
        """Called right before a call is processed, so that a test can let customers act in between."""
        return self._server.before_processing

    @before_processing.setter
    def before_processing(self, hook: Callable[[Call], None] | None) -> None:
        self._server.before_processing = hook

    def act(self, act: str, /, **arguments: Any) -> tuple[Effect, ...]:  # noqa: ANN401 - as various as the acts are
        """Let a customer do something (the acts of acts.py), and note it in the log.

        Raises:
            ActRefused: there is no such act, or it lacks an argument.
            Refusal: Portfolio Manager would refuse it.
        """
        now = self._clock()
        effects = actions.perform(self.world, act, arguments, now=now, inferred=self._inferred)
        self.world.leave(effects, now=now)
        call = self.log.begin(at=self._clock(), method="ACT", path=act)
        call.status, call.effects = 200, effects
        self.log.process(call)
        return effects

    def page(self, kind: Kind, number: int = 1) -> Page:
        """What a page of a pending list shows now, so that a test knows what a client is about to read."""
        return self._lists.page(self.world, kind, number, inferred=self._inferred, now=self._clock())

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            OSError: the port is taken, or the address is not ours.
        """
        app = web.Application(handler_args={"access_log": None})
        Switchboard(self).add_to(app)
        app.router.add_route("*", "/{anything:.*}", self._route)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError:
            await self.stop()
            raise
        self._port = self._runner.addresses[0][1]

    async def _route(self, request: web.Request) -> web.StreamResponse:
        if request.path == BASE or request.path.startswith(f"{BASE}/"):
            return await self._server.serve(request)
        return web.Response(status=404, text=f"The services stand under {BASE}, the switchboard under /simulator/.\n")

    async def stop(self) -> None:
        """Stop listening; answers that are withheld are let go."""
        self.faults.clear()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def ready_line(simulator: Simulator) -> dict[str, Any]:
    """What `simulate` prints when it is ready: where it is, how to sign in, and how many of each kind pend."""
    pending = simulator.world.pending()
    return {
        "url": simulator.url,
        "username": simulator.username,
        "password": simulator.password,
        "pending": {kind.value: pending[kind] for kind in Kind},
    }


async def serve(simulator: Simulator, *, ready: Callable[[dict[str, Any]], None], stop: asyncio.Event) -> None:
    """Run a simulator until told to stop; `ready` is given its ready line as soon as it listens.

    Raises:
        OSError: the port is taken, or the address is not ours.
    """
    async with simulator:
        ready(ready_line(simulator))
        await stop.wait()
