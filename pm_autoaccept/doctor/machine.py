"""Checks of this machine: the environment's variables, files of secrets, files to touch, the address to listen on."""

from __future__ import annotations

import errno
import os
import socket
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from pm_autoaccept.config import IN_THE_ENVIRONMENT, PREFIX, Program, host_and_port, password_in
from pm_autoaccept.doctor.finding import Finding, ok, problem, warning
from pm_autoaccept.policy.messages import perhaps


def look_around(program: Program) -> Iterator[Finding]:
    """Everything on this machine but the ledger."""
    yield from _variables()
    yield from _secrets(program)
    yield from _invisible(program)
    if program.heartbeat is not None:
        yield _to_touch("heartbeat", program.heartbeat)
    if program.pause_file is not None:
        yield _pause_file(program.pause_file)
    if program.listen is not None:
        yield _listen(program.listen)


def _variables() -> Iterator[Finding]:
    """A misspelt variable says nothing, and nobody would notice."""
    known = {f"{PREFIX}{name.upper()}{suffix}" for name in IN_THE_ENVIRONMENT for suffix in ("", "_FILE")}
    known.add(f"{PREFIX}SETTINGS")
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            yield warning(
                "environment",
                f"{name} is no setting{perhaps(name, known)}",
                "rename it, or take it out: nobody reads it",
            )


def _secrets(program: Program) -> Iterator[Finding]:
    """Files of passwords that everybody on this machine can read."""
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
                f"{file} can be read by everybody on this machine",
                f"chmod 600 {file}, and change the password if others work here",
            )
        else:
            yield ok(check, f"{file} is not open to everybody")


def _invisible(program: Program) -> Iterator[Finding]:
    """Characters in what signs in that nobody sees: they may be meant, and were more likely copied along."""
    first, several = program.accounts[0], len(program.accounts) > 1
    written = {"ledger password": password_in(first.ledger)}
    for name, address in first.connections.items():
        written[f"password of connections.{name}"] = password_in(address.get_secret_value())
    for each in program.accounts:
        of = f" of {each.name}" if several else ""
        written |= {f"username{of}": each.username, f"password{of}": each.password.get_secret_value()}
    for check, value in written.items():
        strange = [char for char in value if char != " " and unicodedata.category(char) in _NOT_SEEN]
        if value != value.strip():
            yield warning(check, "it begins or ends with a blank", _TAKE_OUT.format("the blank"))
        elif strange:
            found = f"it holds a character that nobody sees, U+{ord(strange[0]):04X}"
            yield warning(check, found, _TAKE_OUT.format("it"))


_NOT_SEEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
_TAKE_OUT = "take {} out where the value is kept, unless it is really part of it"


def _to_touch(check: str, file: Path) -> Finding:
    folder = file.parent
    if not folder.is_dir():
        return problem(check, f"the folder {folder} does not exist", "make it, or name another place")
    if not os.access(file if file.exists() else folder, os.W_OK):
        return problem(check, f"{file} cannot be written", "give this program's user the right to write there")
    return ok(check, f"{file} can be written")


def _pause_file(file: Path) -> Finding:
    if file.exists():
        return warning(
            "pause file", f"{file} is there, so nothing is answered", "take it away when answers may go out again"
        )
    return _to_touch("pause file", file)


def _listen(listen: str) -> Finding:
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
                f"something listens on {listen} already",
                "if that is this program's `run`, all is well; else stop it, or choose another port",
            )
        return problem(
            check, f"{listen} cannot be listened on: {error.strerror or error}", "choose an address of this machine"
        )
    return ok(check, f"{listen} is free")
