"""A policy's folder, read into memory."""

from __future__ import annotations

import os
from pathlib import Path

from pm_autoaccept.errors import ConfigurationError, Fault, PolicyRefused

LARGEST = 250_001
"""Bytes read of one file: one more than a policy may have, so that the loader sees that it is too large."""
LARGEST_DOCUMENT = 5_000_000
"""Bytes of an XML file that a case names."""


def read_folder(folder: Path) -> dict[str, bytes]:
    """File name → contents of every `*.yaml` in the folder, tests included, and of every `*.xml` in and below it.

    An XML file's name is its path from the folder, as cases name it. A file such as `*.yml` is there without its
    contents: the loader refuses it, beside all else that is wrong.

    Raises:
        ConfigurationError: the folder is not there, is no folder, or a file in it cannot be read.
        PolicyRefused: it has no such file, or one that is a link to a file outside the folder.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder; the policy is a folder of .yaml files")
    try:
        return _read(folder)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read: {error}") from error


def _read(folder: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    outside: list[Fault] = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".yaml":
            if not path.is_file():
                raise ConfigurationError(f"{path} is not a file that can be read; a policy's .yaml files are files")
            with path.open("rb") as file:
                files[path.name] = file.read(LARGEST)
            if _leads_outside(path, folder):
                # An error shows lines of a policy: nobody may have a file of the machine shown so.
                outside.append(
                    Fault(path.name, 1, 1, "it is a link to a file outside the policy's folder; copy it here")
                )
        elif path.suffix.lower() in {".yml", ".yaml"}:
            files[path.name] = b""  # what is in it is of no account: the loader refuses the name
    if outside:
        raise PolicyRefused(tuple(outside))
    if not files:
        message = "the folder has no .yaml file; write rules into one, as policy.yaml"
        raise PolicyRefused((Fault(str(folder), 0, 0, message),))
    for name in documents(folder):
        with (folder / name).open("rb") as file:
            files[name] = file.read(LARGEST_DOCUMENT)
    return files


def documents(folder: Path) -> list[str]:
    """The files that cases may name, by their path from the folder; raises `OSError` where they cannot be listed.

    Links are followed within the policy's folder, as Kubernetes makes them; those that lead elsewhere are passed over.
    So is what begins with a dot, as the folders behind its atomic swap.
    """
    top, seen, found = os.path.realpath(folder), set[str](), []
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        real = os.path.realpath(place)
        if real in seen or os.path.commonpath((real, top)) != top:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (Path(place, name) for name in files if name.endswith(".xml") and not name.startswith("."))
        found += [
            path.relative_to(folder).as_posix()
            for path in paths
            if path.is_file() and not (path.is_symlink() and _leads_outside(path, folder))
        ]
    return sorted(found)


def _leads_outside(path: Path, folder: Path) -> bool:
    """Whether what a path leads to, through all links, lies outside the folder, which may be a link itself."""
    return not path.resolve().is_relative_to(folder.resolve())


def _raise(error: OSError) -> None:
    raise error
