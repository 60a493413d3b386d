"""Checks this machine: environment variables, secret files, heartbeat, pause file, listen address."""

from __future__ import annotations

import errno
import os
import socket
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pm_autoaccept.config import ENVIRONMENT_SETTINGS, PREFIX, Program, host_and_port, password_in
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.policy.messages import perhaps


def check_machine(program: Program) -> Iterator[Finding]:
    """Run every check of this machine except the ledger's."""
    yield from _check_variables()
    yield from _check_secret_files(program)
    yield from _check_invisible_characters(program)
    if program.heartbeat is not None:
        yield _check_writable("heartbeat", program.heartbeat)
    if program.pause_file is not None:
        yield _check_pause_file(program.pause_file)
    if program.listen is not None:
        yield _check_listen(program.listen)


def _check_variables() -> Iterator[Finding]:
    """Warn of `PM_AUTOACCEPT_…` variables that are not settings: a misspelled one has no effect."""
    known = {f"{PREFIX}{name.upper()}{suffix}" for name in ENVIRONMENT_SETTINGS for suffix in ("", "_FILE")}
    known.add(f"{PREFIX}SETTINGS")
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            yield warning(
                "environment",
                f"{name} is not a setting{perhaps(name, known)}",
                "rename or remove it: it has no effect",
            )


def _check_secret_files(program: Program) -> Iterator[Finding]:
    """Warn of password files that every user of this machine can read."""
    files = {
        origin.file: name
        for origins in program.origins.values()
        for name, origin in origins.items()
        if origin.file is not None and name.endswith("password")
    }
    for file, name in files.items():
        check = name.replace("_", " ") + " file"
        if stat.S_IMODE(file.stat().st_mode) & stat.S_IROTH:
            yield warning(
                check,
                f"every user of this machine can read {file}",
                f"chmod 600 {file}; change the password if other people use this machine",
            )
        else:
            yield ok(check, f"{file} is not readable by every user")


def _check_invisible_characters(program: Program) -> Iterator[Finding]:
    """Warn of invisible characters in usernames and passwords: usually they were copied by accident."""
    first, several = program.accounts[0], len(program.accounts) > 1
    written = {"ledger password": password_in(first.ledger)}
    for name, address in first.connections.items():
        written[f"password of connections.{name}"] = password_in(address.get_secret_value())
    for each in program.accounts:
        of = f" of {each.name}" if several else ""
        written |= {f"username{of}": each.username, f"password{of}": each.password.get_secret_value()}
    for check, value in written.items():
        strange = [char for char in value if char != " " and unicodedata.category(char) in _INVISIBLE]
        if value != value.strip():
            yield warning(check, "it starts or ends with a space", _REMOVE.format("the space"))
        elif strange:
            found = f"it contains an invisible character, U+{ord(strange[0]):04X}"
            yield warning(check, found, _REMOVE.format("it"))


_INVISIBLE = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
"""Unicode categories of invisible characters: controls, format marks, separators and spaces."""
_REMOVE = "remove {} from the value, unless it is really part of it"


def _check_writable(check: str, file: Path) -> Finding:
    folder = file.parent
    if not folder.is_dir():
        return problem(check, f"the folder {folder} does not exist", "create the folder, or choose another one")
    if not os.access(file if file.exists() else folder, os.W_OK):
        return problem(check, f"{file} is not writable", "give this program's user write access")
    return ok(check, f"{file} is writable")


def _check_pause_file(file: Path) -> Finding:
    if file.exists():
        return warning("pause file", f"{file} exists, so answering is paused", "remove the file to resume answering")
    return _check_writable("pause file", file)


def _check_listen(listen: str) -> Finding:
    check = "listen"
    host, port = host_and_port(listen)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return warning(
                check,
                f"{listen} is already in use",
                "if `run` is using it, there is nothing to do; otherwise stop the other program or choose another port",
            )
        return problem(
            check, f"cannot listen on {listen}: {error.strerror or error}", "choose an address of this machine"
        )
    return ok(check, f"{listen} is free")
