"""`simulate`: a Portfolio Manager in a process, for other people's clients too."""

from __future__ import annotations

from pathlib import Path

import click

from pm_autoaccept.cli.support.help_page import Command


@click.command(cls=Command)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; it is for tests only.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option("--pending", type=click.IntRange(0, 100_000), default=200, show_default=True, help="Requests that pend.")
@click.option("--seed", type=int, default=7, show_default=True, help="Another seed makes another world.")
@click.option("--world", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A world from a YAML file.")
@click.option("--latency", type=click.IntRange(0, 60_000), default=0, metavar="MS", help="Milliseconds for each call.")
def simulate(*, host: str, port: int, pending: int, seed: int, world: Path | None, latency: int) -> int:
    """Simulate Portfolio Manager until stopped.

    When it is ready, one JSON line on stdout says the url (ending in /wstest), the provider's username and password,
    and how many requests of each kind pend. Under /simulator/ stands a switchboard: world, log, faults, act.
    """
    import json

    from pm_autoaccept.cli.support.runner import run_until_stopped
    from pm_autoaccept.clock import utc_now
    from pm_autoaccept.daemon import Stop
    from pm_autoaccept.simulator import Simulator, load_world, serve, world_from_seed

    now = utc_now()
    made = (
        world_from_seed(seed=seed, pending=pending, now=now)
        if world is None
        else load_world(world.read_bytes(), now=now)
    )

    async def work(stop: Stop) -> int:
        simulator = Simulator(made, host=host, port=port, latency=latency / 1000, fault_seed=seed)
        try:
            await serve(simulator, ready=lambda line: click.echo(json.dumps(line)), stop=stop.asked)
        except OSError as error:
            raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
        return 0

    return run_until_stopped(work)
