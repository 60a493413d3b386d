"""Patterns: RE2 decides, and what it is not asked of it would have refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from pm_autoaccept.policy.evaluation.regex import holding

_CHARACTERS = "abkKsS\u017f\u212a-0 é\U0001f600\n"


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,3}", "{2,}"])
    around = st.sampled_from(["(?i:{})", "(?s:{})", "^{}", "{}$", "\\b{}", "({})"])
    return (
        st.tuples(inner, inner).map("".join)
        | st.tuples(inner, inner).map("|".join)
        | st.tuples(inner, repeated).map(lambda parts: f"(?:{parts[0]}){parts[1]}")
        | st.tuples(around, inner).map(lambda parts: parts[0].format(parts[1]))
    )


_ATOMS = st.sampled_from(
    [*_CHARACTERS, ".", "\\d", "\\w", "\\pL", "[a-k]", "[^a]", "aaaaaaaaaaaa", "kS-0", "\\x{17f}", ""]
)
_PATTERNS = st.recursive(_ATOMS, _larger, max_leaves=6)


def _compiled(pattern: str, *, ignore_case: bool = False) -> object:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(pattern, options)
    except re2.error:
        assume(False)  # noqa: FBT003 - too large, or repeated too often


def _texts() -> Iterator[str]:
    yield from ("", *_CHARACTERS, "aaaaaaaaaaaa", "aaaaaaaaaaaab", "KS-0", "ks-0k")
    yield from (one + other for one in _CHARACTERS for other in _CHARACTERS)


@given(_PATTERNS, st.booleans(), st.text(_CHARACTERS, max_size=14))
def test_re2_would_have_said_the_same(pattern, ignore_case, text):
    """Whatever the pattern, a text fits it if and only if RE2 says so."""
    compiled = _compiled(pattern, ignore_case=ignore_case)
    holds = holding(compiled)
    for each in (text, *_texts()):
        assert holds(each, None) is (compiled.fullmatch(each) is not None), each


@pytest.mark.parametrize(
    ("pattern", "text", "asked"),
    [("SP-[0-9]+", "SP-1", True), ("SP-[0-9]+", "owner", False), ("SP-[0-9]+", "AB-1", False), (".*", "owner", True)],
)
def test_only_what_may_fit_is_asked(monkeypatch, pattern, text, asked):
    """A text that begins otherwise than all that fits is not shown to RE2."""
    compiled = _compiled(pattern)
    shown = []
    match = re2._Regexp.fullmatch
    monkeypatch.setattr(re2._Regexp, "fullmatch", lambda self, seen: shown.append(seen) or match(self, seen))
    holding(compiled)(text, None)
    assert (shown != []) is asked
