"""A Portfolio Manager in a process, for the demo, for tests, and for trying policies.

`Simulator` serves a `World` over HTTP. Worlds come from a seed (`world_from_seed`) or from a file (`load_world`). It is
written from docs/protocol.md alone and shares nothing with the client but the model.
"""

from __future__ import annotations

from pm_autoaccept.simulator.call_log import Call, Log
from pm_autoaccept.simulator.error_answers import Refusal
from pm_autoaccept.simulator.faults import Fault, FaultKind, Faults
from pm_autoaccept.simulator.pending_lists import Page
from pm_autoaccept.simulator.seed import world_from_seed
from pm_autoaccept.simulator.services import SERVICES, Service
from pm_autoaccept.simulator.simulator import Simulator, ready_line, serve
from pm_autoaccept.simulator.unconfirmed import Inferred
from pm_autoaccept.simulator.world import Access, Effect, Listed, State, Tie, World
from pm_autoaccept.simulator.worldfile import load_world

__all__ = [
    "SERVICES",
    "Access",
    "Call",
    "Effect",
    "Fault",
    "FaultKind",
    "Faults",
    "Inferred",
    "Listed",
    "Log",
    "Page",
    "Refusal",
    "Service",
    "Simulator",
    "State",
    "Tie",
    "World",
    "load_world",
    "ready_line",
    "serve",
    "world_from_seed",
]
