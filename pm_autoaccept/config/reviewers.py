"""Reads `reviewers` in the settings file: who may answer for which groups, and under which names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from pm_autoaccept.config.formats import GROUP_NAME
from pm_autoaccept.errors import ConfigurationError, Fault
from pm_autoaccept.model import NoticeTarget, Reviewer
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Entries, Items, Node, Text

_KEYS = ("groups", "own_accounts", "may_answer_as")
_EXAMPLE = "ana: {groups: [benchmarking], own_accounts: [101234]}"
_ACCOUNT_ID = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewerSettings:
    """One reviewer in the settings file.

    Attributes:
        groups: the groups that this person answers for.
        own_accounts: the ids of this person's own accounts, which somebody else must answer.
        may_answer_as: the reviewers under whose names this system user may answer (`--as`).
    """

    groups: frozenset[str] = frozenset()
    own_accounts: frozenset[int] = frozenset()
    may_answer_as: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """What a reviewer's command needs of the settings.

    Attributes:
        grace: how long an answer can be taken back.
        reviewers: name → reviewer; if there are none, every user who can write the ledger may answer.
        targets: whom notices tell of answers; `run` delivers them.
    """

    grace: timedelta
    reviewers: Mapping[str, ReviewerSettings] = field(default_factory=lambda: MappingProxyType({}))
    targets: tuple[NoticeTarget, ...] = ()

    def reviewer(self, user: str, *, name: str | None = None) -> Reviewer:
        """The reviewer who answers.

        Args:
            user: the machine's user who gives the command.
            name: the name under which this user wants to answer (`--as`); None for the own one.

        Raises:
            ConfigurationError: the settings do not allow that.
        """
        if name is not None and name != user:
            ours = self.reviewers.get(user, ReviewerSettings())
            if name not in ours.may_answer_as:
                raise ConfigurationError(
                    f"{user} may not answer as {name}; add `{user}: {{may_answer_as: [{name}]}}` to `reviewers` in the "
                    "settings file"
                )
        answering = name or user
        if self.reviewers and answering not in self.reviewers:
            raise ConfigurationError(
                f"{answering} is not among the reviewers ({', '.join(sorted(self.reviewers))}); add `{_EXAMPLE}` to "
                "`reviewers` in the settings file"
            )
        found = self.reviewers.get(answering, ReviewerSettings())
        return Reviewer(name=answering, groups=found.groups, own_accounts=found.own_accounts)


def read_reviewers(node: Node, faults: list[Fault]) -> Mapping[str, ReviewerSettings]:
    """Read the value of `reviewers`."""
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(
                node.place.fault(f"`reviewers` must be a mapping of names to reviewers, for example {_EXAMPLE}")
            )
        return {}
    found = {name.value: _reviewer(written, faults) for name, written in node.entries}
    for name, written in node.entries:
        strangers = sorted(found[name.value].may_answer_as - found.keys())
        message = "`may_answer_as` names {}, who is not among the reviewers{}"
        faults.extend(written.place.fault(message.format(each, perhaps(each, found))) for each in strangers)
    return found


def _reviewer(node: Node, faults: list[Fault]) -> ReviewerSettings:
    if not isinstance(node, Entries):
        if not isinstance(node, Broken):
            faults.append(node.place.fault(f"a reviewer must be a mapping, for example {_EXAMPLE}"))
        return ReviewerSettings()
    given: dict[str, list[Text]] = {}
    for key, value in node.entries:
        if key.value not in _KEYS:
            meant = perhaps(key.value, _KEYS)
            faults.append(
                key.place.fault(f"unknown key `{key.value}` of a reviewer{meant}; allowed keys: {listed(_KEYS)}")
            )
        else:
            given[key.value] = _texts(key.value, value, faults)
    return ReviewerSettings(
        groups=frozenset(_valid(given.get("groups", ()), GROUP_NAME, "group name", faults)),
        own_accounts=frozenset(map(int, _valid(given.get("own_accounts", ()), _ACCOUNT_ID, "account id", faults))),
        may_answer_as=frozenset(text.value for text in given.get("may_answer_as", ())),
    )


def _texts(key: str, node: Node, faults: list[Fault]) -> list[Text]:
    """The texts of a list, or a single one."""
    if isinstance(node, Text):
        return [node]
    if isinstance(node, Items) and all(isinstance(item, Text) for item in node.items):
        return [item for item in node.items if isinstance(item, Text)]
    if not isinstance(node, Broken):
        faults.append(node.place.fault(f"`{key}` must be a list, for example [benchmarking]"))
    return []


def _valid(texts: Collection[Text], form: re.Pattern[str], what: str, faults: list[Fault]) -> list[str]:
    wrong = [text for text in texts if not form.fullmatch(text.value)]
    faults.extend(text.place.fault(f"invalid {what} `{text.value}`") for text in wrong)
    return [text.value for text in texts if form.fullmatch(text.value)]
