"""A real yaml-language-server, as editors start it: opens a text, and says what it shows there."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.once import once_per_run

PACKAGE = "yaml-language-server@1.19.2"
MISSING = "needs yaml-language-server, an npm package"
"""How the reason begins for which tests that need one are skipped."""


def installed(folders: pytest.TempPathFactory) -> list[str]:
    """The command that starts one, installed once per run; the test is skipped where that cannot be done."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip(f"{MISSING}: install Node.js to run it")

    def install(folder: Path) -> None:
        words = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
        made = subprocess.run(words, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our own
        if made.returncode != 0:
            pytest.skip(f"{MISSING}: npm could not install it: {made.stderr.strip()[-200:]}")

    folder = once_per_run(folders, "yaml-language-server", install)
    return [node, str(folder / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"), "--stdio"]


class LanguageServer:
    """One running server. Texts are opened under names in a folder, and asked about one after the other."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own
        self._asked = 0
        capabilities = {"textDocument": {"hover": {"contentFormat": ["plaintext"]}, "publishDiagnostics": {}}}
        root = folder.as_uri()
        self._ask("initialize", {"processId": None, "rootUri": root, "capabilities": capabilities})
        self._send({"method": "initialized", "params": {}})

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def open(self, name: str, text: str) -> str:
        """Open a text and give its address."""
        uri = (self._folder / name).as_uri()
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return uri

    def diagnostics(self, uri: str) -> list[dict[str, Any]]:
        """What it has against a text that was just opened."""
        while True:
            message = self._read()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found

    def completions(self, uri: str, line: int, character: int) -> list[str]:
        """What it offers at a place, both numbers from 0."""
        where = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
        found = self._ask("textDocument/completion", where)
        return [item["label"] for item in (found["items"] if isinstance(found, dict) else found)]

    def hover(self, uri: str, line: int, character: int) -> str:
        """What it shows of the thing at a place."""
        where = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
        return json.dumps(self._ask("textDocument/hover", where))

    def _ask(self, method: str, params: dict[str, Any]) -> Any:
        self._asked += 1
        self._send({"id": self._asked, "method": method, "params": params})
        while True:
            message = self._read()
            if message.get("id") == self._asked and "method" not in message:
                return message["result"]

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        """The next message that is not a question of its own, which is answered with nothing."""
        while True:
            assert self._process.stdout is not None
            length = 0
            while (line := self._process.stdout.readline()) != b"\r\n":
                assert line, "the language server has ended"
                if line.lower().startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            message: dict[str, Any] = json.loads(self._process.stdout.read(length))
            if "method" not in message or "id" not in message:
                return message
            items = message["params"].get("items", []) if isinstance(message.get("params"), dict) else []
            self._send({"id": message["id"], "result": [{} for _ in items] or None})
