"""Parse `rules` and `default`, and check that every accept rule identifies who it accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from pm_autoaccept.errors import Fault
from pm_autoaccept.model import ANYBODY, AnswerRule, Kind, Verdict
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
RULE_KEYS = (
    *("id", "about", "on", "when", "then", "note", "tell", "expire", "answer", "enforce", "until"),
    "i_accept_everyone",
)
DEFAULT_KEYS = ("then", "note", "expire", "answer", "i_accept_everyone")
_EXPIRE_KEYS = ("after", "then", "note")
_ANSWER_KEYS = ("by", "people")
_MOST_PEOPLE = 5
_PEOPLE = frozenset(map(str, range(1, _MOST_PEOPLE + 1)))
_KINDS = frozenset(Kind)
_VERDICTS = frozenset(Verdict)
_NOT_BY_WAITING: Mapping[Verdict, str] = MappingProxyType(
    {
        Verdict.ACCEPT: "`held_for` is not allowed in an accept rule: nothing is accepted by waiting; remove it",
        Verdict.HOLD: "`held_for` is not allowed in a hold rule, because it counts from when this rule begins to hold; "
        "remove it, and set the time with `expire`",
    }
)
"""Verdicts whose rules cannot test `held_for`, and why."""


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Parses rules and the default.

    Attributes:
        sources: the data that the policy declares; None for a declaration with errors.
        all_declared: whether every file could be read.
        faults: errors are added here.
        private: the custom fields that are never shown.
    """

    sources: Mapping[str, Source | None]
    all_declared: bool
    faults: list[Fault]
    private: frozenset[str] = frozenset()

    def rule(self, node: Node) -> tuple[Text, Rule | None] | None:
        """Parse one entry of `rules`: its id as written, and the rule; None for what has errors."""
        keys = self._keys(node, RULE_KEYS, "a rule")
        if keys is None:
            return None
        if lacking := [f"`{name}`" for name in ("id", "on", "when", "then") if name not in keys]:
            self._refuse(node.place, f"missing {listed(lacking, 'and')} in the rule")
        written = keys.get("id", Broken(node.place))
        if isinstance(written, Text) and not _ID.fullmatch(written.value):
            self._refuse(
                written.place, "invalid id; use lower-case words joined by hyphens, for example known-customer"
            )
        if isinstance(written, Text) and written.value == "default":
            self._refuse(written.place, "the id `default` is reserved for when no rule matches; choose another id")
        on = self._on(keys["on"]) if "on" in keys else frozenset()
        before = len(self.faults)
        when = self._when(keys, on)
        # Conclusions are drawn only from conditions without errors.
        sound = not self.faults or (len(self.faults) == before and is_sound(node))
        then = self._then(keys)
        sure = guaranteed_fields(when) if sound else None
        note = self._note(keys, on, sure) if on else None
        expire = self._expire(keys, then, on, sure)
        about = self._text(keys, "about", "`about` must be one line of text")
        tell = self._group(keys, "tell")
        answer = self._answer(keys, then)
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
            answer=answer,
            enforce=enforce,
            until=until,
            place=written.place,
        )

    def default(self, node: Node) -> Default:
        """Parse `default`."""
        keys = self._keys(node, DEFAULT_KEYS, "the default")
        if keys is None:
            return Default()
        if "then" not in keys:
            self._refuse(node.place, "missing `then` in the default")
        then = self._then(keys)
        self._check_accept(node.place, keys, asked=then is not Verdict.ACCEPT)
        every, sure = _KINDS, frozenset[str]()
        return Default(
            then or Verdict.HOLD,
            self._note(keys, every, sure),
            self._expire(keys, then, every, sure),
            self._answer(keys, then),
        )

    def _refuse(self, place: Place, message: str) -> None:
        self.faults.append(place.fault(message))

    def _keys(self, node: Node, known: tuple[str, ...], what: str) -> dict[str, Node] | None:
        if not isinstance(node, Entries):
            if not isinstance(node, Broken):
                self._refuse(node.place, f"{what} must be a mapping; allowed keys: {listed(known, 'and')}")
            return None
        for key, _ in node.entries:
            if key.value not in known:
                meant = perhaps(key.value, known, synonyms.RULE)
                message = f"unknown key `{key.value}` in {what}{meant}; allowed keys: {listed(known, 'and')}"
                self._refuse(key.place, message)
        return {key.value: value for key, value in node.entries}

    def _on(self, node: Node) -> frozenset[Kind]:
        kinds = set()
        for item in node.items if isinstance(node, Items) else (node,):
            if isinstance(item, Text) and item.value in _KINDS:
                kinds.add(Kind(item.value))
            elif not isinstance(item, Broken):
                meant = perhaps(item.value, Kind, synonyms.KIND) if isinstance(item, Text) else ""
                self._refuse(item.place, f"invalid `on`{meant}; use {listed(Kind)}, or a list of them")
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
            self._refuse(node.place, f"invalid `then`{meant}; use {listed(Verdict)}")
        return None

    def _text(self, keys: Mapping[str, Node], name: str, message: str) -> str | None:
        """An optional text; anything else is refused with this message."""
        node = keys.get(name)
        if node is not None and not isinstance(node, Text | Broken):
            self._refuse(node.place, message)
        return node.value if isinstance(node, Text) else None

    def _group(self, keys: Mapping[str, Node], name: str) -> str | None:
        """The name of a group."""
        message = f"invalid `{name}`; use the name of one group, in lower-case words joined by hyphens, "
        message += "for example tenant-forms"
        group = self._text(keys, name, message)
        if group is not None and not _ID.fullmatch(group):
            self._refuse(keys[name].place, message)
        return group

    def _answer(self, keys: Mapping[str, Node], then: Verdict | None) -> AnswerRule:
        """Parse `answer`: who may answer what the rule holds, and how many people must."""
        if "answer" not in keys:
            return ANYBODY
        node = keys["answer"]
        if then not in (Verdict.HOLD, None):
            self._refuse(node.place, f"`answer` is allowed with `then: hold` only, but `then` is {then}; remove it")
        stated = self._keys(node, _ANSWER_KEYS, "`answer`")
        if not stated:
            return ANYBODY
        message = f"invalid `people`; use a number from 1 to {_MOST_PEOPLE}"
        people = self._text(stated, "people", message)
        valid = people is None or people in _PEOPLE
        if not valid:
            self._refuse(stated["people"].place, message)
        return AnswerRule(by=self._group(stated, "by"), people=int(people) if people is not None and valid else 1)

    def _enforce(self, keys: Mapping[str, Node]) -> bool:
        message = "invalid `enforce`; use true, or false for a rule that only records what it would have decided"
        stated = self._text(keys, "enforce", message)
        if stated not in (None, "true", "false"):
            self._refuse(keys["enforce"].place, message)
        return stated != "false"

    def _until(self, keys: Mapping[str, Node]) -> date | None:
        """The last day on which the rule applies."""
        message = "invalid `until`; use the last date on which the rule applies, for example 2026-06-30"
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
        """Parse `expire`. Nothing is ever accepted by waiting."""
        if "expire" not in keys:
            return None
        node = keys["expire"]
        if then not in (Verdict.HOLD, None):
            self._refuse(node.place, f"`expire` is allowed with `then: hold` only, but `then` is {then}; remove it")
        stated = self._keys(node, _EXPIRE_KEYS, "`expire`")
        if stated is None:
            return None
        if lacking := [f"`{name}`" for name in ("after", "then") if name not in stated]:
            message = f"missing {' and '.join(lacking)} in `expire`; write it as {{after: 30d, then: reject}}"
            self._refuse(node.place, message)
        end, after = stated.get("then"), stated.get("after")
        if end is not None and not isinstance(end, Broken) and not (isinstance(end, Text) and end.value == "reject"):
            self._refuse(end.place, "a hold can only expire with `then: reject`; nothing is accepted by waiting")
        length = read_duration(after.value) if isinstance(after, Text) else None
        if not length and after is not None and not isinstance(after, Broken):
            self._refuse(after.place, f"invalid duration in `after`; use {AS_WRITTEN}")
        note = self._note(stated, on, sure if sure is None else sure | {"held_for"}) if on else None
        return Expiry(length, note) if length else None

    def _check_accept(self, place: Place, keys: Mapping[str, Node], *, asked: bool) -> None:
        stated = keys.get("i_accept_everyone")
        if stated is not None and not (isinstance(stated, Text) and stated.value == "true"):
            self._refuse(stated.place, "invalid `i_accept_everyone`; use true, or remove it")
        if stated is None and not asked:
            self._refuse(
                place,
                "this accept does not identify who it accepts; test a custom field, the account, the sender, "
                "`property.share` or `property.verdict`, or look one of them up, in each branch of an `any` "
                "(`present`, `taken`, tests under `some` or `not`, and comparing two fields of one request do not "
                "count), or add `i_accept_everyone: true`",
            )
