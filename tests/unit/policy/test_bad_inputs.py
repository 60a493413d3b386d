"""What people bring along: each text either stays what was written, or is refused with its place and what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pm_autoaccept import policy
from pm_autoaccept.errors import Fault, PolicyRefused
from pm_autoaccept.model import Facts, Kind, PendingRequest, ReasonKind, Verdict
from pm_autoaccept.policy import Policy, synonyms
from pm_autoaccept.policy.fields import FIELDS
from pm_autoaccept.policy.load import _KEYS as POLICY_KEYS
from pm_autoaccept.policy.operators import MODIFIERS, OPERATORS
from pm_autoaccept.policy.parser import data, lookups, rules
from pm_autoaccept.policy.parser.field_names import GROUPS

RULE = "version: 1\nrules:\n  - id: a\n    on: connection\n    then: reject\n    when: "
NOTE = "\n    note: "


@pytest.fixture
def refused() -> Callable[..., Fault]:
    """The one fault of a file."""

    def _refused(text: str | bytes, *, name: str = "p.yaml") -> Fault:
        with pytest.raises(PolicyRefused) as caught:
            policy.load({name: text if isinstance(text, bytes) else text.encode()})
        (fault,) = caught.value.faults
        return fault

    return _refused


def rejects(loaded: Policy, **said: str | None) -> bool:
    """Whether the policy's one rule is true of a connection request."""
    request = PendingRequest(kind=Kind.CONNECTION, id=1, account_id=1, **said)  # type: ignore[arg-type] # texts
    return loaded.judge(request, Facts(), {}).reason.kind is ReasonKind.RULE


@pytest.mark.parametrize(
    "written", ["CA", "NO", "ON", "0012345", "1:30", "2026-01-01", "1e3", "null", "~", "yes", "0x1F"]
)
def test_what_yaml_would_turn_into_something_else_stays_what_it_is(written):
    """Norway and Ontario, leading zeros, times, dates and numbers are the texts that were written, also in lists."""
    for when in (f"{{account.username: [{written}]}}", f"{{account.username: {written}}}"):
        loaded = policy.load({"p.yaml": (RULE + when).encode()})
        assert rejects(loaded, username=written)
        assert not any(rejects(loaded, username=other) for other in ("False", "True", "12345", "90", "1000", "31"))


def test_a_pattern_that_hangs_other_engines():
    """RE2 takes time in proportion to the text: this one would keep a backtracking engine busy for ever."""
    loaded = policy.load({"p.yaml": (RULE + "{account.username: {matches: '^(a+)+$'}}").encode()})
    assert rejects(loaded, username="a" * 5_000)
    assert not rejects(loaded, username="a" * 5_000 + "!")


def test_a_byte_order_mark_does_no_harm():
    """Windows' editors write one at the beginning; the first key is read all the same."""
    assert policy.load({"p.yaml": b"\xef\xbb\xbf" + (RULE + "always").encode()}).rules[0].id == "a"


BOMB = "version: 1\na: &a [x, x]\n" + "".join(
    f"{n}: &{n} [*{m}, *{m}]\n" for m, n in zip("abcdefgh", "bcdefghi", strict=True)
)
MESSAGES = {
    "filter for when": (
        RULE.replace("when: ", "filter: {account.username: b}"),
        "p.yaml:3:5: the rule lacks `when`",
    ),
    "a duplicate key": (
        RULE + "{account.username: b}\n    then: accept",
        "p.yaml:7:5: `then` already stands in line 5; keep one of them",
    ),
    "a tab": (RULE + "always\n\tnote: x", "p.yaml:7:1: a tab stands here; indent with spaces"),
    "another encoding": (
        (RULE + "{account.organization: Z").encode() + b"\xfcrich}",
        "p.yaml:6:35: the file is not UTF-8 here; save it as UTF-8",
    ),
    "a note with #": (
        RULE + "always" + NOTE + "Give the account # on your bill",
        (
            "p.yaml:7:11: YAML cuts a text off at ` #`; put the text in single quotes, as "
            "'Give the account # on your bill', or the comment on a line of its own"
        ),
    ),
    "a domain with @": (
        RULE + "{account.email: {ends_with: @corp.com}}",
        (
            "p.yaml:6:39: a text cannot begin with `@`; put the text in single quotes: "
            "when: {account.email: {ends_with: '@corp.com'}}"
        ),
    ),
    "a large file": (
        RULE + "always\n" + "# and so on\n" * 420_000,
        "p.yaml:20833:8: the file is larger than 250,000 bytes; keep long lists in a csv file",
    ),
    "a deep file": (
        "version: 1\nrules: " + "[" * 3_000,
        "p.yaml:2:28: lists and mappings stand more than 20 deep inside one another; write it flatter",
    ),
}


@pytest.mark.parametrize(("text", "message"), MESSAGES.values(), ids=MESSAGES)
def test_each_mistake_has_its_place_and_says_what_to_do(text, message):
    """File, line and column, and what to write instead."""
    with pytest.raises(PolicyRefused) as caught:
        policy.load({"p.yaml": text if isinstance(text, bytes) else text.encode()})
    assert any(str(fault).partition("\n")[0] == message for fault in caught.value.faults), str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            RULE.replace("when: ", "filter: {account.username: b}"),
            "a rule has no `filter` (did you mean `when`?); it has id, about, on, when, then",
        ),
        (RULE.replace("then: reject", "then: Deny") + "always", "accept, reject or hold (did you mean `reject`?)"),
        (RULE.replace("on: connection", "on: customer") + "always", "a list of them (did you mean `connection`?)"),
        (RULE + "{username: b}", "there is no field `username` (did you mean `account.username`?)"),
        (RULE + "{account.username: {not-in: [b]}}", "no operator `not-in` (did you mean `not: {FIELD: …}`?)"),
        (RULE + "{lookup: {table: b}}", "a lookup has no `table` (did you mean `in`?)"),
        ("version: 1\ndata: {b: {file: b.csv}}", "data has no `file` (did you mean `csv`?)"),
        ("version: 1\ntables: {b: {csv: b.csv}}", "a policy has no `tables` (did you mean `data`?)"),
        ("version: 1\ndefault: {name: b}", "the default has no `name`; it has then"),
    ],
)
def test_a_word_of_other_programs_is_answered_with_ours(text, message):
    """What no slip of the pen explains is told too, and the words that there are are named; only what fits there."""
    with pytest.raises(PolicyRefused) as caught:
        policy.load({"p.yaml": text.encode()})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (synonyms.POLICY, POLICY_KEYS),
        (synonyms.DATA, data._KEYS),
        (synonyms.RULE, rules.RULE_KEYS),
        (synonyms.KIND, Kind),
        (synonyms.VERDICT, Verdict),
        (synonyms.CONDITION, (*FIELDS, *GROUPS)),
        (synonyms.OPERATOR, (*OPERATORS, *MODIFIERS, synonyms.NEGATED)),
        (synonyms.LOOKUP, lookups._KEYS),
    ],
)
def test_the_words_of_others_lead_to_words_that_there_are(words, known):
    """Each leads to one of ours, and none is one of ours, which would never be answered."""
    assert set(words.values()) <= set(known)
    assert not set(words) & set(known)
    assert all(word == word.casefold().replace("-", "_") for word in words)


def test_an_alias_bomb_is_refused_before_it_is_unfolded():
    """Ten lines that would be a thousand million values: each anchor and each alias is named where it stands."""
    with pytest.raises(PolicyRefused) as caught:
        policy.load({"p.yaml": BOMB.encode()})
    first = next(fault for fault in caught.value.faults if "&" in fault.message)
    assert str(first).startswith("p.yaml:2:4: `&` begins a YAML anchor, which is not read here; write '&a'")
    assert len(caught.value.faults) <= 201


def test_another_ending_is_not_passed_over(refused):
    """A blocklist that is silently not read would let everybody on it in."""
    fault = refused(RULE + "always", name="blocked.yml")
    assert str(fault) == "blocked.yml:1:1: a policy's files end in .yaml; rename it to blocked.yaml, so that it is read"
