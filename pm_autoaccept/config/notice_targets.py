"""Reads `targets` in the settings file: who gets notices, and where their addresses and secrets are kept."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from pm_autoaccept.config.formats import GROUP_NAME
from pm_autoaccept.config.origins import Origin, SettingValue, kept_elsewhere
from pm_autoaccept.egress import is_this_machine
from pm_autoaccept.errors import ConfigurationError, Fault
from pm_autoaccept.model import NoticeTarget, TargetKind
from pm_autoaccept.policy.durations import AS_WRITTEN, read_duration
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Place, Text
from pm_autoaccept.policy.time_zone import read_time_zone

EXTRA = "notify"
"""The extra that brings the library for mail and chat."""
_LIBRARY = "apprise"

_EXAMPLE = "queue: {kind: webhook, url: 'https://queue.example.org/pm', secret_file: secrets/queue, groups: all}"
_ADDRESS_KEYS = ("url", "url_file", "url_env")
_SECRET_KEYS = ("secret_file", "secret_env")
_ROUTING_KEYS = ("groups", "personal", "digest_hour", "time_zone", "remind_after", "else_tell")
_KEYS = {
    TargetKind.WEBHOOK: ("kind", *_ADDRESS_KEYS, *_SECRET_KEYS, *_ROUTING_KEYS),
    TargetKind.PEOPLE: ("kind", "url_file", "url_env", *_ROUTING_KEYS),
}
_KINDS = {"webhook": TargetKind.WEBHOOK, EXTRA: TargetKind.PEOPLE}
"""The kind as the settings file names it."""
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_SIGNING_SECRET = re.compile(r"whsec_([A-Za-z0-9+/]+={0,2})")
_SIGNING_BYTES = range(24, 65)
_HOURS = 24
ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target that can be used: its routing, its address and its signing secret.

    Attributes:
        routing: which notices it gets.
        address: the URL of a webhook, or apprise's URL; it may contain a secret.
        secret: the signing secret of a webhook.
    """

    routing: NoticeTarget
    address: SecretStr
    secret: SecretStr | None = None

    @property
    def shown(self) -> str:
        """The kind and the address for people: scheme and host, or the scheme alone. The rest may be a secret."""
        address = self.address.get_secret_value()
        if self.routing.kind is TargetKind.PEOPLE:
            return f"{EXTRA} {address.partition('://')[0]}://…"
        parts = urlsplit(address)
        return f"webhook {parts.scheme}://{parts.netloc}/…"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSettings:
    """A target in the settings file: its routing, and where its address and secret are."""

    routing: NoticeTarget
    origin: Origin
    address: SettingValue = field(repr=False)
    secret: SettingValue | None = None

    def read(self) -> Target:
        """The target with its address and secret.

        Raises:
            ConfigurationError: one of them is missing or invalid, or a library is not installed.
        """
        if why := self.missing_extra():
            raise ConfigurationError(why)
        address = str(self.address.read()).strip()
        if why := _address_fault(address, self.routing):
            raise ConfigurationError(self.address.origin.fault(why))
        if self.secret is None:
            return Target(routing=self.routing, address=SecretStr(address))
        secret = str(self.secret.read()).strip()
        if not _is_signing_secret(secret):
            raise ConfigurationError(
                self.secret.origin.fault(
                    "invalid signing secret; use `whsec_` and the base64 form of 24 to 64 random bytes, for example "
                    'from `echo "whsec_$(openssl rand -base64 32)"`'
                )
            )
        return Target(routing=self.routing, address=SecretStr(address), secret=SecretStr(secret))

    def missing_extra(self) -> str | None:
        """What is wrong if the library that this target needs is not installed; otherwise None."""
        if self.routing.kind is TargetKind.WEBHOOK or find_spec(_LIBRARY) is not None:
            return None
        return self.origin.fault(
            f"target `{self.routing.name}` needs {_LIBRARY}, which is not installed; install pm-autoaccept[{EXTRA}]"
        )


def missing_extras(targets: Mapping[str, TargetSettings]) -> list[str]:
    """A fault for each target that needs a library that is not installed."""
    return [why for target in targets.values() if (why := target.missing_extra())]


def usable_targets(targets: Mapping[str, TargetSettings], faults: list[str]) -> Mapping[str, Target]:
    """The targets with their addresses and secrets; faults are added to `faults`."""
    read: dict[str, Target] = {}
    for name, target in targets.items():
        try:
            read[name] = target.read()
        except ConfigurationError as error:
            faults.append(str(error))
    return read


def read_targets(node: Node, settings: Path, faults: list[Fault]) -> Mapping[str, TargetSettings]:
    """Read the value of `targets`. Paths are relative to the settings file."""
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault(f"`targets` must be a mapping of names to targets, for example {_EXAMPLE}"))
        return {}
    read = {name.value: _TargetReader(name, settings, faults).target(written) for name, written in node.entries}
    found = {name: target for name, target in read.items() if target is not None}
    if len(found) == len(read):
        faults.extend(_unheard(node, found))
    return found


def _unheard(node: Entries, found: Mapping[str, TargetSettings]) -> Iterator[Fault]:
    """A fault for each `else_tell` that names a group without a target."""
    for name, _ in node.entries:
        group = found[name.value].routing.else_tell
        if group is not None and not any(each.routing.gets(group) for each in found.values()):
            yield name.place.fault(f"`else_tell` names {group}, but no target has this group; add it to a target")


@dataclass(slots=True)
class _TargetReader:
    """Reads one target."""

    name: Text
    settings: Path
    faults: list[Fault]

    def target(self, node: Node) -> TargetSettings | None:
        """The target; None if it has a fault that leaves nothing to use."""
        if not _NAME.fullmatch(self.name.value):
            self._fault(self.name.place, "invalid target name; use lower-case words joined by hyphens")
            return None
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._fault(node.place, f"a target must be a mapping, for example {_EXAMPLE}")
            return None
        given = {key.value: (key, value) for key, value in node.entries}
        kind = self._kind(given)
        if kind is None:
            return None
        known = _KEYS[kind]
        for key, _ in node.entries:
            if key.value not in known:
                self._fault(key.place, _refused_reason(key.value, kind, known))
        texts = {
            key: self._text(key, value)
            for key, (_, value) in given.items()
            if key in known and key not in {"groups", "time_zone"}
        }
        groups = self._groups(given)
        address = self._one_of(texts, _ADDRESS_KEYS if kind is TargetKind.WEBHOOK else _ADDRESS_KEYS[1:])
        secret = self._one_of(texts, _SECRET_KEYS) if kind is TargetKind.WEBHOOK else None
        if address is None or (secret is None and kind is TargetKind.WEBHOOK):
            return None
        time_zone = read_time_zone(given["time_zone"][1], self.faults) if "time_zone" in given else UTC
        routing = NoticeTarget(
            name=self.name.value,
            kind=kind,
            groups=groups,
            personal=self._personal(texts.get("personal")),
            digest_hour=self._hour(texts.get("digest_hour")),
            time_zone=time_zone,
            remind_after=self._age(texts.get("remind_after")),
            else_tell=self._else_tell(texts),
        )
        if address.origin.file is None and address.origin.variable is None:
            why = _address_fault(str(address.value), routing)
            if why and address.origin.place is not None:
                self._fault(address.origin.place, why)
        origin = Origin(text=f"{self.settings}:{self.name.place.line}")
        return TargetSettings(routing=routing, origin=origin, address=address, secret=secret)

    def _fault(self, place: Place, why: str) -> None:
        self.faults.append(place.fault(why))

    def _kind(self, given: Mapping[str, tuple[Text, Node]]) -> TargetKind | None:
        if "kind" not in given:
            self._fault(self.name.place, f"missing `kind`; use {listed(_KINDS)}, for example {_EXAMPLE}")
            return None
        written = self._text("kind", given["kind"][1])
        if written is None:
            return None
        if written.value not in _KINDS:
            meant = perhaps(written.value, _KINDS)
            self._fault(written.place, f"unknown kind `{written.value}`{meant}; use {listed(_KINDS)}")
            return None
        return _KINDS[written.value]

    def _text(self, key: str, node: Node) -> Text | None:
        if isinstance(node, Text):
            return node
        if not isinstance(node, Broken):
            self._fault(node.place, f"`{key}` must be a single value, not a list or a mapping")
        return None

    def _groups(self, given: Mapping[str, tuple[Text, Node]]) -> frozenset[str] | None:
        """The groups; None for all."""
        if "groups" not in given:
            self._fault(self.name.place, "missing `groups`; use `all`, or a list such as [benchmarking]")
            return None
        node = given["groups"][1]
        if isinstance(node, Text) and node.value == ALL:
            return None
        texts: list[Text] = [node] if isinstance(node, Text) else []
        if isinstance(node, Items):
            texts = [each for each in node.items if isinstance(each, Text)]
        if not texts and not isinstance(node, Broken):
            self._fault(node.place, "`groups` must be `all`, or a list such as [benchmarking]")
        for text in texts:
            if not GROUP_NAME.fullmatch(text.value):
                self._fault(text.place, f"invalid group name `{text.value}`; use lower-case words joined by hyphens")
        return frozenset(text.value for text in texts)

    def _one_of(self, texts: Mapping[str, Text | None], keys: tuple[str, ...]) -> SettingValue | None:
        """The value of the only key that is given."""
        named = [key for key in keys if key in texts]
        if len(named) != 1:
            why = f"missing `{keys[0]}`" if not named else f"{listed(named)} are all set"
            self._fault(self.name.place, f"{why}; set one of {listed(keys)}")
            return None
        text = texts[named[0]]
        return None if text is None else self._value(named[0], text)

    def _value(self, key: str, text: Text) -> SettingValue:
        if key == "url":
            # The address of a webhook may be a secret, so its line is not repeated.
            place = replace(text.place, text="")
            return SettingValue(Origin(text=f"{self.settings}:{text.place.line}", place=place), text.value)
        return kept_elsewhere(key, text, self.settings)

    def _personal(self, text: Text | None) -> bool:
        if text is not None and text.value not in {"true", "false"}:
            self._fault(text.place, "invalid `personal`; use true to include names and customer input, or false")
        return text is not None and text.value == "true"

    def _hour(self, text: Text | None) -> int | None:
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,2}", text.value) or int(text.value) >= _HOURS:
            self._fault(text.place, "invalid `digest_hour`; use an hour from 0 to 23")
            return None
        return int(text.value)

    def _age(self, text: Text | None) -> timedelta | None:
        if text is None:
            return None
        age = read_duration(text.value)
        if not age:
            self._fault(text.place, f"invalid `remind_after`; use {AS_WRITTEN}")
        return age or None

    def _else_tell(self, texts: Mapping[str, Text | None]) -> str | None:
        text = texts.get("else_tell")
        if text is None:
            return None
        if not GROUP_NAME.fullmatch(text.value):
            self._fault(text.place, "invalid group name in `else_tell`; use lower-case words joined by hyphens")
        elif "remind_after" not in texts:
            self._fault(text.place, "`else_tell` needs `remind_after`; it follows the reminder")
        return text.value


def _refused_reason(key: str, kind: TargetKind, known: tuple[str, ...]) -> str:
    """Why a key is not allowed in a target of this kind."""
    if kind is TargetKind.PEOPLE and key == "url":
        return "this address contains a secret; put it in a file of its own and set url_file"
    if key in {"secret", "password"}:
        return f"secrets are not allowed in the settings file; put it in a file of its own and set {_SECRET_KEYS[0]}"
    return f"unknown key `{key}` of this target{perhaps(key, known)}; allowed keys: {listed(known)}"


def _address_fault(address: str, routing: NoticeTarget) -> str | None:
    """What is wrong with an address; it never repeats the address."""
    if routing.kind is TargetKind.PEOPLE:
        usable = re.match(r"[a-z][a-z0-9+.-]*://.", address, re.IGNORECASE)
        return None if usable else "invalid address; use one of apprise's, for example mailtos://USER:PASSWORD@HOST"
    try:
        parts = urlsplit(address)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return "invalid address; use https://HOST/PATH"
    if not valid or re.search(r"[\s\x00-\x1f]", address):
        return "invalid address; use https://HOST/PATH"
    if "@" in parts.netloc:
        return "the address contains a username; remove it: deliveries are signed instead"
    if routing.personal and parts.scheme == "http" and not is_this_machine(parts.hostname or ""):
        return "`personal: true` sends names and customer input, which needs https"
    return None


def _is_signing_secret(secret: str) -> bool:
    """Whether it has the form of Standard Webhooks: the library would sign with whatever base64 it finds in a text."""
    found = _SIGNING_SECRET.fullmatch(secret)
    return found is not None and len(b64decode(found[1] + "==")) in _SIGNING_BYTES
