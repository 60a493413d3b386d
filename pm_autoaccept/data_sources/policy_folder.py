"""A policy's folder, read into memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pm_autoaccept.errors import ConfigurationError, Fault, PolicyRefused

LARGEST = 250_001
"""Bytes read of one file: one more than a policy may have, so that the loader sees that it is too large."""
LARGEST_DOCUMENT = 5_000_000
"""Bytes of an XML file that a case names."""

POLICY_FILES, TESTS = (".yaml", ".yml"), ".test.yaml"
"""How names end in lower case: what is a policy file, be it refused, and what of that are tests."""
_NAMED = re.compile(rb"""\bxml: +(?:'([^'\n]+)'|"([^"\n]+)"|([^\s'",}][^#,}\n]*))""")
"""How a case names a document."""


def read_folder(folder: Path) -> dict[str, bytes]:
    """File name → contents of every `*.yaml` in the folder, tests included, and of each document that cases may name.

    What begins with a dot is passed over, as an editor's lock or a forge's settings, unless a case names it. A
    document's name is its path from the folder, as cases name it. A file such as `*.yml` is there without its contents:
    the loader refuses it, beside all else that is wrong.

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
        if path.name.startswith("."):
            continue
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
        elif path.suffix.lower() in POLICY_FILES:
            files[path.name] = b""  # what is in it is of no account: the loader refuses the name
    if outside:
        raise PolicyRefused(tuple(outside))
    if not files:
        message = "the folder has no .yaml file; write rules into one, as policy.yaml"
        raise PolicyRefused((Fault(str(folder), 0, 0, message),))
    return files | dict(_documents(folder))


def _documents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in documents(folder):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                yield name, file.read(LARGEST_DOCUMENT)


def documents(folder: Path) -> list[str]:
    """The files that cases may name, by their path from the folder; raises `OSError` where they cannot be listed.

    They are every `*.xml` in and below it, and what else the cases do name, also where it is not there. Links to
    folders are followed within the policy's, as Kubernetes makes them. What begins with a dot, as the folders behind
    its atomic swap, is passed over unless it is named.
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
        found += [path.relative_to(folder).as_posix() for path in paths if path.is_file()]
    return sorted(name for name in {*found, *_named(folder)} if not _leads_outside(folder / name, folder))


def _named(folder: Path) -> Iterator[str]:
    """What cases name as documents: any file in or below the folder, but no policy and no tests."""
    for tests in folder.glob(f"*{TESTS}"):
        if tests.name.startswith(".") or not tests.is_file():
            continue
        for found in _NAMED.finditer(tests.read_bytes()[:LARGEST]):
            name = next(each for each in found.groups() if each).strip().decode("utf-8", "replace")
            inside = os.path.normpath(name) == name and not name.startswith(("/", ".."))
            if inside and "\0" not in name and not name.lower().endswith(POLICY_FILES):
                yield name


def _leads_outside(path: Path, folder: Path) -> bool:
    """Whether what a path leads to, through all links, lies outside the folder, which may be a link itself."""
    return not path.resolve().is_relative_to(folder.resolve())


def _raise(error: OSError) -> None:
    raise error
