"""Where the example policies lie: beside the package in a checkout, inside it in a wheel."""

from __future__ import annotations

from pathlib import Path

import pm_autoaccept
from pm_autoaccept.errors import ConfigurationError


def example_policy(name: str) -> Path:
    """The folder of the example policy of this name, as `utility`.

    Raises:
        ConfigurationError: there is none of this name; the message lists those there are.
    """
    package = Path(pm_autoaccept.__file__).parent
    shelves = [shelf for shelf in (package / "policies", package.parent / "policies") if shelf.is_dir()]
    folders = {folder.name: folder for shelf in reversed(shelves) for folder in shelf.iterdir() if folder.is_dir()}
    if name not in folders:
        there_are = ", ".join(sorted(folders)) or "none: the installation is incomplete"
        raise ConfigurationError(f"there is no example policy `{name}`; there are {there_are}")
    return folders[name]
