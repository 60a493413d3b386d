"""From `rules:` and `default:` to rules; and the check that an accept asks who it lets in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import Kind, Verdict
from pm_autoaccept.policy import synonyms
from pm_autoaccept.policy.analysis import asks_who, fields_tested, guaranteed_fields
from pm_autoaccept.policy.conditions import ALWAYS, Condition
from pm_autoaccept.policy.data.sources import Source
from pm_autoaccept.policy.durations import AS_WRITTEN, read_duration
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.notes import Note, read_note
from pm_autoaccept.policy.parser.conditions import ConditionReader
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Place, Text, is_sound
from pm_autoaccept.policy.rules import Default, Expiry, Rule
from pm_autoaccept.policy.values import FieldType, NotAValue, read_value

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
RULE_KEYS = ("id", "about", "on", "when", "then", "note", "tell", "expire", "enforce", "until", "i_accept_everyone")
DEFAULT_KEYS = ("then", "note", "expire", "i_accept_everyone")
_EXPIRE_KEYS = ("after", "then", "note")
_KINDS = frozenset(Kind)
_VERDICTS = frozenset(Verdict)
_NOT_BY_WAITING: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.ACCEPT: "nothing is accepted by waiting: take `held_for` out of this accept",
        Verdict.HOLD: "`held_for` counts from when this rule holds, so that asking for it here would start it anew "
        "each time: take it out, and say with `expire` how long this holds",
    }
)
"""Where `held_for` cannot stand, and why."""


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads rules and the default.

    Attributes:
        sources: the data that the policy declares; None for a name whose declaration has faults.
        all_declared: whether every file could be read.
        faults: what is wrong is added here.
        private: the custom fields that are never shown.
    """

    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]
    private: frozenset[str] = frozenset()

    def rule(self, node: Node) -> tuple[Text, Rule | None] | None:
        """One entry of `rules:`: its id as written, and the rule; None for what has faults."""
        keys = self._keys(node, RULE_KEYS, "a rule")
        if keys is None:
            return None
        if lacking := [f"`{name}`" for name in ("id", "on", "when", "then") if name not in keys]:
            self._refuse(node.place, f"the rule lacks {listed(lacking, 'and')}")
        written = keys.get("id", Broken(node.place))
        if isinstance(written, Text) and not _ID.fullmatch(written.value):
            self._refuse(written.place, "an id is lower-case words joined by hyphens, as known-customer")
        if isinstance(written, Text) and written.value == "default":
            self._refuse(written.place, "`default` stands for what is said where no rule is true; choose another id")
        on = self._on(keys["on"]) if "on" in keys else frozenset()
        before = len(self.faults)
        when = self._when(keys, on)
        # What follows from conditions is said only of conditions that could be read.
        sound = not self.faults or (len(self.faults) == before and is_sound(node))
        then = self._then(keys)
        sure = guaranteed_fields(when) if sound else None
        note = self._note(keys, on, sure) if on else None
        expire = self._expire(keys, then, on, sure)
        about = self._text(keys, "about", "`about` is one line of text")
        tell = self._tell(keys)
        enforce, until = self._enforce(keys), self._until(keys)
        self._check_accept(node.place, keys, asked=then is not Verdict.ACCEPT or not sound or asks_who(when))
        if (
            then is not None
            and then in _NOT_BY_WAITING
            and any(field.name == "held_for" for field in fields_tested(when))
        ):
            self._refuse(node.place, _NOT_BY_WAITING[then])
        if not isinstance(written, Text):
            return None
        if not on or then is None:
            return written, None
        return written, Rule(
            id=written.value,
            on=on,
            when=when,
            then=then,
            note=note,
            expire=expire,
            about=about,
            tell=tell,
            enforce=enforce,
            until=until,
            place=written.place,
        )

    def default(self, node: Node) -> Default:
        """What stands after `default:`."""
        keys = self._keys(node, DEFAULT_KEYS, "the default")
        if keys is None:
            return Default()
        if "then" not in keys:
            self._refuse(node.place, "the default lacks `then`")
        then = self._then(keys)
        self._check_accept(node.place, keys, asked=then is not Verdict.ACCEPT)
        every, sure = _KINDS, frozenset[str]()
        return Default(then or Verdict.HOLD, self._note(keys, every, sure), self._expire(keys, then, every, sure))

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def _keys(self, node: Node, known: tuple[str, ...], what: str) -> dict[str, Node] | None:
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node.place, f"{what} is a mapping of {listed(known)}")
            return None
        for key, _ in node.entries:
            if key.value not in known:
                meant = perhaps(key.value, known, synonyms.RULE)
                self._refuse(key.place, f"{what} has no `{key.value}`{meant}; it has {listed(known)}")
        return {key.value: value for key, value in node.entries}

    def _on(self, node: Node) -> frozenset[Kind]:
        kinds = set()
        for item in node.items if isinstance(node, Items) else (node,):
            if isinstance(item, Text) and item.value in _KINDS:
                kinds.add(Kind(item.value))
            elif not isinstance(item, Broken):
                meant = perhaps(item.value, Kind, synonyms.KIND) if isinstance(item, Text) else ""
                self._refuse(item.place, f"`on` is {listed(Kind)}, or a list of them{meant}")
        return frozenset(kinds)

    def _when(self, keys: Mapping[str, Node], on: frozenset[Kind]) -> Condition:
        if "when" not in keys:
            return ALWAYS
        return ConditionReader(on, self.sources, self.all_declared, self.faults, self.private).when(keys["when"])

    def _then(self, keys: Mapping[str, Node]) -> Verdict | None:
        node = keys.get("then")
        if isinstance(node, Text) and node.value in _VERDICTS:
            return Verdict(node.value)
        if node is not None and not isinstance(node, Broken):
            meant = perhaps(node.value, Verdict, synonyms.VERDICT) if isinstance(node, Text) else ""
            self._refuse(node.place, f"`then` is {listed(Verdict)}{meant}")
        return None

    def _text(self, keys: Mapping[str, Node], name: str, message: str) -> str | None:
        """One text that may be there; what else stands there is refused with this message."""
        node = keys.get(name)
        if node is not None and not isinstance(node, Text | Broken):
            self._refuse(node.place, message)
        return node.value if isinstance(node, Text) else None

    def _tell(self, keys: Mapping[str, Node]) -> str | None:
        message = "`tell` is the name of one group of people, lower-case words joined by hyphens, as tenant-forms"
        group = self._text(keys, "tell", message)
        if group is not None and not _ID.fullmatch(group):
            self._refuse(keys["tell"].place, message)
        return group

    def _enforce(self, keys: Mapping[str, Node]) -> bool:
        message = "`enforce` is false (the rule decides nothing, and what it would have decided is recorded), or true"
        said = self._text(keys, "enforce", message)
        if said not in (None, "true", "false"):
            self._refuse(keys["enforce"].place, message)
        return said != "false"

    def _until(self, keys: Mapping[str, Node]) -> date | None:
        """The last day on which the rule applies."""
        message = "`until` is the last day on which the rule applies, as 2026-06-30"
        written = self._text(keys, "until", message)
        if written is None:
            return None
        try:
            day = read_value(written, FieldType.DATE)
        except NotAValue:
            day = None
        if not isinstance(day, date):
            self._refuse(keys["until"].place, message)
            return None
        return day

    def _note(self, keys: Mapping[str, Node], on: frozenset[Kind], sure: frozenset[str] | None) -> Note | None:
        if "note" not in keys:
            return None
        return read_note(keys["note"], kinds=on, ensured=sure, private=self.private, faults=self.faults)

    def _expire(
        self, keys: Mapping[str, Node], then: Verdict | None, on: frozenset[Kind], sure: frozenset[str] | None
    ) -> Expiry | None:
        """What stands after `expire:`. Nothing is ever accepted by waiting."""
        if "expire" not in keys:
            return None
        node = keys["expire"]
        if then not in (Verdict.HOLD, None):
            self._refuse(node.place, f"`expire` is for what is held, and this says {then}; take it out")
        said = self._keys(node, _EXPIRE_KEYS, "`expire`")
        if said is None:
            return None
        if lacking := [f"`{name}`" for name in ("after", "then") if name not in said]:
            self._refuse(node.place, f"`expire` lacks {' and '.join(lacking)}, as {{after: 30d, then: reject}}")
        end, after = said.get("then"), said.get("after")
        if end is not None and not isinstance(end, Broken) and not (isinstance(end, Text) and end.value == "reject"):
            self._refuse(end.place, "a hold ends with `then: reject`; nothing is accepted by waiting")
        length = read_duration(after.value) if isinstance(after, Text) else None
        if not length and after is not None and not isinstance(after, Broken):
            self._refuse(after.place, f"`after` is a length of time: {AS_WRITTEN}")
        note = self._note(said, on, sure if sure is None else sure | {"held_for"}) if on else None
        return Expiry(length, note) if length else None

    def _check_accept(self, place: Place, keys: Mapping[str, Node], *, asked: bool) -> None:
        said = keys.get("i_accept_everyone")
        if said is not None and not (isinstance(said, Text) and said.value == "true"):
            self._refuse(said.place, "`i_accept_everyone` is true, or is not there")
        if said is None and not asked:
            self._refuse(
                place,
                "this accepts without asking who it lets in: test a custom field, the account, the sender, "
                "`property.share` or `property.verdict`, or look them up (in each branch of an `any`; `present`, "
                "`taken`, what stands under `some` or `not`, and two fields of one request being the same do not "
                "count), or say `i_accept_everyone: true`",
            )
