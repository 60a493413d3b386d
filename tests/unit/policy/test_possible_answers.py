"""Which patterns no text can match, checked with RE2 on every short text."""

from __future__ import annotations

from itertools import product

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept.policy.custom_fields.possible_answers import ANY, DIGITS, PossibleAnswers

CHARACTERS = "a0-B"
TEXTS = ["".join(text) for length in range(5) for text in product(CHARACTERS, repeat=length)]

_classes = ["[a-c]", "[^a]", "[0-]", "[]a]", "[[:upper:]]", r"[\d\]]", r"\d", r"\w", r"\D", r"\S", r"\x61", r"\-"]
_pieces = st.sampled_from(["a", "0", "-", "B", ".", "]", "(", ")", "|", "^", "$", *_classes])
_quantifiers = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{1,2}", "{3,}", "{0}", "+?", "{,2}"])
PATTERNS = st.builds(
    lambda flag, pieces: flag + "".join(pieces),
    st.sampled_from(["", "(?i)", "^"]),
    st.lists(st.builds(lambda piece, times: piece + times, _pieces, _quantifiers), max_size=5),
)


@given(PATTERNS, st.sets(st.sampled_from(CHARACTERS), min_size=1), st.tuples(st.integers(0, 4), st.integers(1, 4)))
def test_what_is_called_impossible_matches_no_text(pattern, allowed, lengths):
    """A warning must be certain: RE2 finds no text among all that the characters and lengths allow."""
    try:
        compiled = re2.compile(pattern)
    except re2.error:
        return
    shortest, longest = sorted(lengths)
    if not PossibleAnswers(frozenset(allowed), shortest, longest).may_fit(pattern):
        texts = (text for text in TEXTS if shortest <= len(text) <= longest and set(text) <= allowed)
        assert not any(map(compiled.fullmatch, texts))


@pytest.mark.parametrize(
    "pattern", ["A[0-9]{3}", "^[0-9]{3}-[0-9]+$", "[0-9]{9,}", "[0-9]{2}", "(?i)ab?.*", "[^0-9]*1A"]
)
def test_a_required_character_or_a_length_that_is_impossible(pattern):
    """Three to eight digits."""
    assert not PossibleAnswers(DIGITS, 3, 8).may_fit(pattern)


@pytest.mark.parametrize(
    "pattern", ["A?[0-9]{3}", r"\d+?", "(?i)[a-z]*123", "A|1", "(AB)", "a^b", r"\bx\b", "(?s)a", r"\pL", r"\QA.B\E"]
)
def test_what_is_possible_or_not_analyzed(pattern):
    """No warning for an optional character, a group, an alternative, or an anchor in the middle."""
    assert PossibleAnswers(DIGITS, 3, 8).may_fit(pattern)


@pytest.mark.parametrize("pattern", ["é", r"[^\x00-\x7f]", "[à-ü]+", r"\W"])
def test_characters_beyond_ascii_are_ruled_out_only_together(pattern):
    """EPA does not say which of them it takes for letters."""
    assert PossibleAnswers(ANY, 1, None).may_fit(pattern)
    assert not PossibleAnswers(DIGITS, 1, None).may_fit(pattern)
