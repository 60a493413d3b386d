"""Whether anything at all can fit a pattern, which RE2 does not say: a small automaton beside it.

Only asked when a policy is checked. What is not understood of a pattern counts as something that can be fitted: a
warning must be sure.
"""

from __future__ import annotations

import re

from pm_autoaccept.policy.custom_fields.characters import (
    ANY,
    BLANKS,
    DIGITS,
    LAST,
    Characters,
    characters,
    common,
    joined,
    others,
)
from pm_autoaccept.policy.custom_fields.pattern_automaton import (
    Automaton,
    Fragment,
    NotUnderstood,
    at,
    one_after_another,
    one_of,
    reading,
    repeated,
)

_QUANTIFIER = re.compile(r"(\*|\+|\?|\{([0-9]{1,4})(?:(,)([0-9]{0,4}))?\})\??")
_GROUP = re.compile(r"\((?:\?:|\?P?<[A-Za-z_][A-Za-z0-9_]*>|(?!\?))")
_NAMED_SET = re.compile(r"\[:(\^?)([a-z]+):\]")
_HEXADECIMAL = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})")

_WORD = characters("09", "AZ", "_", "az")
_PERL = {"d": DIGITS, "w": _WORD, "s": characters("\t\n", "\f\r", " ")}
_NAMED = {
    "alnum": characters("09", "AZ", "az"),
    "alpha": characters("AZ", "az"),
    "digit": DIGITS,
    "lower": characters("az"),
    "upper": characters("AZ"),
    "space": BLANKS,
    "word": _WORD,
    "xdigit": characters("09", "AF", "af"),
}
_CONTROLS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}


def may_fit(pattern: str, *, allowed: Characters = ANY, shortest: int = 0, longest: int | None = None) -> bool:
    """False only if surely no text of these characters and of such a length fits the pattern from end to end."""
    try:
        automaton = Automaton()
        end = _Reader(pattern).whole()(automaton, automaton.state())
    except NotUnderstood:
        return True
    return automaton.reaches(end, allowed=allowed, shortest=shortest, longest=longest)


class _Reader:
    """Reads a pattern that RE2 takes, from left to right."""

    def __init__(self, pattern: str) -> None:
        self._ignores_case = pattern.startswith("(?i)")
        self._text = pattern
        self._at = len("(?i)") if self._ignores_case else 0

    def whole(self) -> Fragment:
        """The whole pattern."""
        read = self._alternatives()
        if self._at < len(self._text):
            raise NotUnderstood
        return read

    def _next(self, wanted: str) -> bool:
        """Whether this comes next; if so it is passed."""
        found = self._text.startswith(wanted, self._at)
        self._at += len(wanted) if found else 0
        return found

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return found

    def _alternatives(self) -> Fragment:
        parts = [self._sequence()]
        while self._next("|"):
            parts.append(self._sequence())
        return one_of(parts)

    def _sequence(self) -> Fragment:
        parts = []
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            part = self._atom()
            while times := self._take(_QUANTIFIER):
                part = self._times(part, times)
            parts.append(part)
        return one_after_another(parts)

    @staticmethod
    def _times(part: Fragment, written: re.Match[str]) -> Fragment:
        said, least, comma, most = written.groups()
        if least is None:
            return repeated(part, int(said == "+"), 1 if said == "?" else None)
        return repeated(part, int(least), (int(most) if most else None) if comma else int(least))

    def _atom(self) -> Fragment:
        if self._take(_GROUP):
            inside = self._alternatives()
            if not self._next(")"):
                raise NotUnderstood
            return inside
        sign = self._text[self._at]
        self._at += 1
        if sign in "^$":
            return at(sign)
        if sign == "[":
            return reading(self._class())
        if sign == ".":
            return reading(others(characters("\n")))
        if sign == "\\":
            return self._escape()
        if sign in "(*+?{":
            raise NotUnderstood
        return reading(self._either_case(characters(sign)))

    def _escape(self) -> Fragment:
        if self._next("A"):
            return at("^")
        if self._next("z"):
            return at("$")
        return reading(self._either_case(self._escaped()))

    def _escaped(self) -> Characters:
        """What stands after a backslash: a set, or a character."""
        if code := self._take(_HEXADECIMAL):
            return joined([(int(code[1] or code[2], 16),) * 2])
        sign = self._text[self._at : self._at + 1]
        self._at += 1
        if sign.lower() in _PERL:
            return _PERL[sign] if sign in _PERL else others(_PERL[sign.lower()])
        if sign in _CONTROLS:
            return characters(_CONTROLS[sign])
        if not sign or sign.isalnum():
            raise NotUnderstood
        return characters(sign)

    def _class(self) -> Characters:
        """What stands between brackets."""
        reversed_ = self._next("^")
        found: list[tuple[int, int]] = []
        while not found or not self._next("]"):
            if named := self._take(_NAMED_SET):
                if named[2] not in _NAMED:
                    raise NotUnderstood
                found.extend(others(_NAMED[named[2]]) if named[1] else _NAMED[named[2]])
                continue
            first = self._member()
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                first = ((first[0][0], self._member()[-1][1]),)
            found.extend(first)
        members = self._either_case(joined(found))
        return others(members) if reversed_ else members

    def _member(self) -> Characters:
        if self._at >= len(self._text):
            raise NotUnderstood
        if self._next("\\"):
            return self._escaped()
        self._at += 1
        return characters(self._text[self._at - 1])

    def _either_case(self, wanted: Characters) -> Characters:
        """The characters, and under `(?i)` also their other case, which is known of ASCII's alone."""
        if not self._ignores_case:
            return wanted
        ranges = list(wanted)
        for capitals, shift in ((characters("AZ"), 32), (characters("az"), -32)):
            ranges.extend((low + shift, high + shift) for low, high in common(wanted, capitals))
        return joined([*ranges, (0x80, LAST)])
