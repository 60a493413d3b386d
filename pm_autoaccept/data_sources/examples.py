"""Finds the example policies: next to the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

import pm_autoaccept
from pm_autoaccept.errors import ConfigurationError


def example_policy(name: str) -> Path:
    """The folder of an example policy, for example `utility`.

    Raises:
        ConfigurationError: the name is unknown; the message lists the known names.
    """
    package = Path(pm_autoaccept.__file__).parent
    shelves = [shelf for shelf in (package / "policies", package.parent / "policies") if shelf.is_dir()]
    folders = {folder.name: folder for shelf in reversed(shelves) for folder in shelf.iterdir() if folder.is_dir()}
    if name not in folders:
        known = ", ".join(sorted(folders)) or "none, because the installation is incomplete"
        raise ConfigurationError(f"unknown example policy `{name}`; known example policies: {known}")
    return folders[name]
