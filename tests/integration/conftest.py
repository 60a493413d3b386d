"""What the tests of the daemon and of commands share: the settings with which a simulator is answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pm_autoaccept.simulator import Simulator


@pytest.fixture
def said_of(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What is said of a simulator as settings: by a policy in `policy`, on a SQLite file; more as a test says."""
    (tmp_path / "policy").mkdir(exist_ok=True)

    def say(simulator: Simulator, **more: Any) -> dict[str, Any]:
        return {
            "service": simulator.url,
            "username": simulator.username,
            "password": simulator.password,
            "policy": tmp_path / "policy",
            "ledger": f"sqlite:///{tmp_path / 'ledger.db'}",
            "rate": "none",
        } | more

    return say
