"""Reads the files of a policy folder into memory: policy files, tests and the XML documents that test cases name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pm_autoaccept.errors import ConfigurationError, Fault, PolicyRefused

LARGEST = 250_001
"""Bytes read from one file: one more than allowed, so that the loader can tell that a file is too large."""
LARGEST_DOCUMENT = 5_000_000
"""Bytes read from an XML document that a test case names."""

POLICY_FILES, TESTS = (".yaml", ".yml"), ".test.yaml"
"""Lower-case file endings: of policy files (also of those that are refused), and of tests among them."""
_NAMED = re.compile(rb"""\bxml: +(?:'([^'\n]+)'|"([^"\n]+)"|([^\s'",}][^#,}\n]*))""")
"""How a test case names a document."""


def read_folder(folder: Path) -> dict[str, bytes]:
    """File name → contents of every `*.yaml` in the folder, including tests, and of each document that cases may name.

    Names that begin with a dot are skipped unless a case names them, for example an editor's lock file. A document's
    name is its path relative to the folder, as cases name it. A file such as `*.yml` is listed without its contents,
    because the loader refuses it together with all other faults.

    Raises:
        ConfigurationError: the folder does not exist or is not a folder, or a file in it cannot be read.
        PolicyRefused: the folder has no policy file, or one that is a link to a file outside the folder.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder; a policy is a folder with .yaml files")
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
                raise ConfigurationError(f"{path} is not a readable file; each .yaml entry of a policy must be a file")
            with path.open("rb") as file:
                files[path.name] = file.read(LARGEST)
            if _leads_outside(path, folder):
                # Policy errors quote lines, and no other file on the machine may be disclosed that way.
                outside.append(
                    Fault(path.name, 1, 1, "this is a link to a file outside the policy folder; copy the file here")
                )
        elif path.suffix.lower() in POLICY_FILES:
            files[path.name] = b""  # the loader refuses the name, so the contents do not matter
    if outside:
        raise PolicyRefused(tuple(outside))
    if not files:
        message = "the folder has no .yaml file; write your rules in one, for example policy.yaml"
        raise PolicyRefused((Fault(str(folder), 0, 0, message),))
    return files | dict(_documents(folder))


def _documents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for name in documents(folder):
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                yield name, file.read(LARGEST_DOCUMENT)


def documents(folder: Path) -> list[str]:
    """The documents that cases may name, by path relative to the folder; raises `OSError` if listing fails.

    These are every `*.xml` in and below the folder and every other file that a case names, even if it is missing. Links
    to folders are followed within the policy folder, because Kubernetes mounts files that way. Names that begin with a
    dot, such as the folders behind Kubernetes' atomic swap, are skipped unless a case names them.
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
    """The documents that cases name: any file in or below the folder except policy files and tests."""
    for tests in folder.glob(f"*{TESTS}"):
        if tests.name.startswith(".") or not tests.is_file():
            continue
        for found in _NAMED.finditer(tests.read_bytes()[:LARGEST]):
            name = next(each for each in found.groups() if each).strip().decode("utf-8", "replace")
            inside = os.path.normpath(name) == name and not name.startswith(("/", ".."))
            if inside and "\0" not in name and not name.lower().endswith(POLICY_FILES):
                yield name


def _leads_outside(path: Path, folder: Path) -> bool:
    """Whether a path, with all links resolved, is outside the folder, which may be a link itself."""
    return not path.resolve().is_relative_to(folder.resolve())


def _raise(error: OSError) -> None:
    raise error
