"""Whether anything can fit a pattern, beside RE2 asked of every short text there is."""

from __future__ import annotations

from itertools import product

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.policy.custom_fields.characters import DIGITS, characters
from pm_autoaccept.policy.custom_fields.pattern_satisfiable import may_fit

SIGNS = "a0-B"
TEXTS = ["".join(text) for length in range(5) for text in product(SIGNS, repeat=length)]

_classes = ["[a-c]", "[^a]", "[0-]", "[[:upper:]]", r"\d", r"\w", r"\D", r"\S"]
_atoms = st.sampled_from(["a", "0", "-", "B", ".", r"\-", r"\x61", "^", "$", *_classes])
_quantifiers = st.sampled_from(["", "", "?", "*", "+", "{2}", "{1,2}", "{3,}", "{0}", "+?"])
_quantified = st.builds(lambda part, times: part + times if part not in {"^", "$"} else part, _atoms, _quantifiers)


def _grouped(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sequences = st.lists(parts, min_size=1, max_size=3).map("".join)
    either = st.lists(sequences, min_size=1, max_size=3).map("|".join)
    opening = st.sampled_from(["(", "(?:", "(?P<name>"])
    return st.builds(lambda begin, inside, times: f"{begin}{inside}){times}", opening, either, _quantifiers)


PATTERNS = st.builds(
    lambda flag, pattern: flag + pattern,
    st.sampled_from(["", "", "(?i)"]),
    st.lists(st.recursive(_quantified, _grouped, max_leaves=5), min_size=1, max_size=4).map("".join),
)


LENGTHS = st.tuples(st.integers(0, 4), st.integers(0, 4))


@given(pattern=PATTERNS, allowed=st.sets(st.sampled_from(SIGNS), min_size=1), lengths=LENGTHS)
def test_it_agrees_with_re2_about_every_short_text(pattern, allowed, lengths):
    """For some characters and lengths RE2 finds a text among all there are, exactly if one was said to be there."""
    try:
        compiled = re2.compile(pattern)
    except re2.error:
        return  # a name that stands twice
    shortest, longest = sorted(lengths)
    texts = (text for text in TEXTS if shortest <= len(text) <= longest and set(text) <= allowed)
    there_is = any(compiled.fullmatch(text) for text in texts)
    assert may_fit(pattern, allowed=characters(*allowed), shortest=shortest, longest=longest) is there_is


@pytest.mark.parametrize("pattern", [r"\bx\b", "(?s)a", r"\pL", r"\QA.B\E", "[[:graph:]]", "(a{500}){500}", "a{9999}"])
def test_what_it_does_not_understand_may_fit(pattern):
    """A warning must be sure, so nothing is said of a pattern that is beyond it."""
    assert may_fit(pattern, allowed=DIGITS)


@pytest.mark.parametrize("pattern", ["a^b", "a$b", "[^\\x00-\\x{10FFFF}]", "(?:$)a"])
def test_a_pattern_that_nothing_fits_is_known(pattern):
    """Of any characters, and of any length."""
    assert not may_fit(pattern)


def test_a_pattern_that_grows_costs_little():
    """What backtracking would not end on is settled at once."""
    assert may_fit("^(a+)+$", allowed=characters("a"), shortest=1_000)
    assert not may_fit("^(a+)+$", allowed=characters("b"))
