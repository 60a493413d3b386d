"""decide: one request, the facts, the policy, one decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pm_autoaccept import parse, policy
from pm_autoaccept.decide import decide
from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.model import (
    AccountInfo,
    Action,
    Claim,
    CustomField,
    CustomFieldDefinition,
    Decision,
    Fact,
    Held,
    Kind,
    MeterInfo,
    MissedRequest,
    NotLearnt,
    PendingRequest,
    PropertyInfo,
    ProviderAccount,
    Reason,
    ReasonKind,
    RequestKey,
    Snapshot,
    SourceUse,
    Unreadable,
    Verdict,
)
from pm_autoaccept.policy import Policy
from tests import examples
from tests.examples import NOW, by_people, pending_list
from tests.key_tables import key_table

OWNER, HOUSE, METER = 410221, 8120045, 30511977
NUMBER = CustomField("Number", "7")
PROBE = """
version: 1
data: {accounts: {values: ['7', '8']}, idle: {values: [x]}}
rules:
"""


def connection(owner: int = OWNER, **more: object) -> PendingRequest:
    """A connection request."""
    return examples.connection(
        owner, **({"custom": (NUMBER,), "account_info": AccountInfo(email="a@b.example")} | more)
    )


def share(property_id: int = HOUSE, **more: object) -> PendingRequest:
    """A property share."""
    return examples.property_share(property_id, **({"custom": (NUMBER,), "property_info": PropertyInfo()} | more))


def meter(**more: object) -> PendingRequest:
    """A meter share."""
    return replace(examples.meter_share(METER, HOUSE, meter_info=MeterInfo()), **more)


def snapshot(*requests: PendingRequest, **more: object) -> Snapshot:
    """A snapshot with these requests in three whole lists; the account defines one custom field."""
    learnt = {"connected": frozenset({OWNER}), "custom_fields": (CustomFieldDefinition(id=1, name="Number"),)}
    return examples.snapshot(*requests, **(learnt | more))


def probe(when: str, on: str = "meter") -> Policy:
    """A policy that rejects what the condition is true of, and holds the rest."""
    return policy.load({"p.yaml": f"{PROBE}- {{id: probe, on: {on}, when: {when}, then: reject}}".encode()})


Tell = Callable[..., str]


@pytest.fixture
def tell() -> Tell:
    """How a condition comes out for the last request decided: `true`, `false` or `unknown`."""

    def _tell(when: str, seen: Snapshot, on: str = "meter") -> str:
        decision = decide(seen, policy=probe(when, on), tables={}, now=NOW)[-1]
        assert decision.verdict is (Verdict.REJECT if decision.reason.kind is ReasonKind.RULE else Verdict.HOLD)
        return {"rule": "true", "default": "false", "unknown": "unknown"}[decision.reason.kind]

    return _tell


def test_a_decision_carries_all_that_a_record_needs():
    """Rule, evidence, note, the policy's digest, and each table that could be read stand in the decision."""
    rules = policy.load(
        {
            "p.yaml": f"""{PROBE}
- id: known
  on: connection
  when: {{custom.Number: {{in: accounts}}}}
  then: accept
  note: 'Welcome, {{custom.Number}}'
""".encode()
        }
    )
    table = key_table("accounts", {"7"}, digest="abc", rows=2)
    (decision,) = decide(
        snapshot(connection()), policy=rules, tables={"accounts": table, "idle": NotLearnt("gone")}, now=NOW
    )
    assert decision.key == RequestKey(Kind.CONNECTION, OWNER)
    assert (decision.verdict, decision.rule, decision.note) == (Verdict.ACCEPT, "known", "Welcome, 7")
    assert decision.reason.kind is ReasonKind.RULE
    assert [each.field for each in decision.evidence] == ["custom.Number"]
    assert decision.policy_digest == rules.digest
    assert decision.sources == (SourceUse("accounts", 2, "abc"),)
    assert decision.unknown == ()
    assert decision.accepts_unshared_property is False


def test_unknown_names_what_could_not_be_learnt():
    """A rule that cannot be judged holds, and the decision names the table."""
    rules = probe("{custom.Number: {in: accounts}}", on="connection")
    (decision,) = decide(snapshot(connection()), policy=rules, tables={}, now=NOW)
    assert (decision.verdict, decision.reason.kind) == (Verdict.HOLD, ReasonKind.UNKNOWN)
    assert (decision.rule, decision.unknown, decision.sources) == ("probe", ("accounts",), ())


def test_connections_then_properties_then_meters():
    """Decisions come in the order in which meters can ask about their property."""
    decisions = decide(
        snapshot(meter(), share(), connection(2), connection()), policy=probe("always"), tables={}, now=NOW
    )
    assert [str(each.key) for each in decisions] == [
        "connection:2",
        "connection:410221",
        "property:8120045",
        "meter:30511977",
    ]


@pytest.mark.parametrize("then", ["accept", "reject", "hold"])
def test_a_meter_asks_about_its_propertys_verdict(then):
    """`property.verdict` is what was decided of the pending share of this very property."""
    text = f"""{PROBE}
- {{id: houses, on: property, when: {{account.id: {OWNER}}}, then: {then}}}
- {{id: follows, on: meter, when: {{property.verdict: {then}}}, then: reject}}
"""
    rules = policy.load({"p.yaml": text.encode()})
    decisions = decide(snapshot(share(), share(99), meter()), policy=rules, tables={}, now=NOW)
    assert decisions[-1].rule == "follows"
    others = decide(snapshot(share(99), meter()), policy=rules, tables={}, now=NOW)
    assert others[-1].rule is None


def test_property_verdict_where_the_property_list_is_in_doubt(tell):
    """A list that is not whole, or has an element without an id, makes the verdict unknown unless it is decided."""
    unreadable = (Unreadable(Kind.PROPERTY, "no id", b"<property/>"),)
    asked = "{property.verdict: {present: true}}"
    whole = snapshot(share(), meter())
    assert tell(asked, whole) == "true"
    assert tell(asked, snapshot(meter())) == "false"
    broken = pending_list(Kind.PROPERTY, [share()], failed="page 2: timeout")
    assert tell(asked, snapshot(meter(), properties=broken)) == "unknown"
    assert tell(asked, snapshot(meter(), properties=replace(broken, requests=()))) == "unknown"
    strange = pending_list(Kind.PROPERTY, [share()], unreadable=unreadable)
    assert tell(asked, snapshot(meter(), properties=strange)) == "true"
    assert tell(asked, snapshot(meter(), properties=replace(strange, requests=()))) == "unknown"


def test_property_share(tell):
    """Pending if it stands in the list; otherwise shared or none as its owner was found, if absence can be seen."""
    asked = "{{property.share: {}}}"
    assert tell(asked.format("pending"), snapshot(share(), meter())) == "true"
    shared = {"shared_properties": {OWNER: frozenset({HOUSE})}}
    assert tell(asked.format("shared"), snapshot(meter(), **shared)) == "true"
    assert tell(asked.format("none"), snapshot(meter(), shared_properties={OWNER: frozenset({1})})) == "true"
    assert tell(asked.format("none"), snapshot(meter())) == "unknown"
    assert tell(asked.format("none"), snapshot(meter(), shared_properties={OWNER: NotLearnt("403")})) == "unknown"
    broken = pending_list(Kind.PROPERTY, failed="timeout")
    assert tell(asked.format("shared"), snapshot(meter(), properties=broken, **shared)) == "unknown"
    strange = pending_list(Kind.PROPERTY, unreadable=(Unreadable(Kind.PROPERTY, "no id", b""),))
    assert tell(asked.format("shared"), snapshot(meter(), properties=strange, **shared)) == "unknown"
    seen = pending_list(Kind.PROPERTY, [share()], failed="timeout")
    assert tell(asked.format("pending"), snapshot(meter(), properties=seen)) == "true"


def test_an_accept_of_an_unshared_property_is_marked():
    """A decision says when its own rule tests `property.share: none`."""
    rules = policy.load(
        {"p.yaml": f"{PROBE}- {{id: a, on: meter, when: {{property.share: none}}, then: accept}}".encode()}
    )
    seen = snapshot(meter(), shared_properties={OWNER: frozenset()})
    (decision,) = decide(seen, policy=rules, tables={}, now=NOW)
    assert (decision.verdict, decision.accepts_unshared_property) == (Verdict.ACCEPT, True)


def test_connected(tell):
    """Whether the owner is connected comes from the list of customers."""
    assert tell("{account.connected: true}", snapshot(meter())) == "true"
    assert tell("{account.connected: false}", snapshot(meter(), connected=frozenset())) == "true"
    assert tell("{account.connected: true}", snapshot(meter(), connected=NotLearnt("503"))) == "unknown"


def test_custom_field_definitions(tell):
    """A field that the account does not define is unknown, and one that it defines may be absent."""
    assert tell("{custom.Number: {present: false}}", snapshot(meter())) == "true"
    assert tell("{custom.Number: {present: false}}", snapshot(meter(), custom_fields=())) == "unknown"
    assert tell("{custom.Number: {present: false}}", snapshot(meter(), custom_fields=NotLearnt("x"))) == "unknown"


@pytest.mark.parametrize("kind", ["property", "meter"])
def test_answers_at_connection(tell, kind):
    """What the owner answered stands in the pending connection request, else in what was learnt of the owner."""
    asked, request = "{connection.custom.Number: '7'}", share() if kind == "property" else meter()
    learnt = {"answers_at_connection": {OWNER: (NUMBER,)}}
    other = {"answers_at_connection": {OWNER: (CustomField("Number", "8"),)}}
    assert tell(asked, snapshot(connection(), request, **other), kind) == "true"
    assert tell(asked, snapshot(connection(5), request, **learnt), kind) == "true"
    assert tell(asked, snapshot(request), kind) == "unknown"
    assert tell(asked, snapshot(request, answers_at_connection={OWNER: NotLearnt("403")}), kind) == "unknown"
    garbled = connection(faults={"custom.Number": "it has children"})
    assert tell(asked, snapshot(garbled, request, **learnt), kind) == "unknown"
    twice = snapshot(connection(), connection(custom=()), request, **learnt)
    assert tell(asked, twice, kind) == "unknown"


def test_who_the_owner_of_a_share_is(tell):
    """The account stands in the pending connection request, else in what was learnt of the owner."""
    asked = "{account.email: a@b.example}"
    learnt = {"accounts": {OWNER: AccountInfo(email="a@b.example")}}
    assert tell(asked, snapshot(connection(), meter())) == "true"
    assert tell(asked, snapshot(meter(), **learnt)) == "true"
    assert tell(asked, snapshot(meter())) == "unknown"
    assert tell(asked, snapshot(connection(account_info=None), meter(), **learnt)) == "unknown"
    assert tell(asked, snapshot(connection(), connection(username="x"), meter(), **learnt)) == "unknown"
    garbled = connection(faults={"account.phone": "it stands twice"})
    assert tell(asked, snapshot(garbled, meter(), **learnt)) == "unknown"


def test_answers_with_the_property_share(tell):
    """What came with the property share is known while that share is pending."""
    asked = "{property.custom.Number: '7'}"
    assert tell(asked, snapshot(share(), meter())) == "true"
    assert tell(asked, snapshot(share(99), meter())) == "unknown"
    assert tell(asked, snapshot(share(), share(custom=()), meter())) == "unknown"
    assert tell(asked, snapshot(share(faults={"custom": "garbled"}), meter())) == "unknown"


def test_a_list_that_is_not_whole():
    """From a list that could not be read to its end nothing is answered; the other lists are."""
    rules = probe("always", on="[connection, property, meter]")
    broken = pending_list(Kind.PROPERTY, [share()], failed="page 2: timeout")
    decisions = decide(snapshot(connection(), meter(), properties=broken), policy=rules, tables={}, now=NOW)
    assert [each.verdict for each in decisions] == [Verdict.REJECT, Verdict.HOLD, Verdict.REJECT]
    assert decisions[1].reason.kind is ReasonKind.LIST_NOT_WHOLE
    assert "page 2: timeout" in decisions[1].reason.text
    assert decisions[1].policy_digest == rules.digest


def test_the_same_id_twice():
    """Twice with the same content is one request; with different content it is held, since a POST names only the id."""
    rules = probe("always", on="property")
    once = decide(snapshot(share(), share(source=b"<property />")), policy=rules, tables={}, now=NOW)
    assert [each.verdict for each in once] == [Verdict.REJECT]
    (decision,) = decide(snapshot(share(), share(username="other")), policy=rules, tables={}, now=NOW)
    assert (decision.verdict, decision.reason.kind) == (Verdict.HOLD, ReasonKind.CONTRADICTORY)
    assert decision.request.username is None
    thrice = decide(snapshot(share(), share(username="x"), share()), policy=rules, tables={}, now=NOW)
    assert [each.reason.kind for each in thrice] == [ReasonKind.CONTRADICTORY]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (connection(account_id=None), "account.id"),
        (share(account_id=None), "account.id"),
        (meter(property_id=None), "property.id"),
        (meter(faults=MappingProxyType({"property.id": "it is no number"})), "it is no number"),
        (connection(faults=MappingProxyType({"account.id": "it stands twice"})), "it stands twice"),
    ],
)
def test_what_every_answer_depends_on(request_, why):
    """Without the owner, or a share's property, nothing is decided of a request."""
    rules = probe("always", on="[connection, property, meter]")
    (decision,) = decide(snapshot(request_), policy=rules, tables={}, now=NOW)
    assert (decision.verdict, decision.reason.kind) == (Verdict.HOLD, ReasonKind.NOT_UNDERSTOOD)
    assert why in decision.reason.text


def test_a_property_held_for_doubt_is_a_property_held():
    """A meter sees the hold of a property whose share is contradictory."""
    rules = probe("{property.verdict: hold, property.share: pending}")
    decisions = decide(snapshot(share(), share(username="x"), meter()), policy=rules, tables={}, now=NOW)
    assert [each.verdict for each in decisions] == [Verdict.HOLD, Verdict.REJECT]


EVERYTHING = policy.load(
    {
        "p.yaml": f"""{PROBE}
- id: follows
  on: meter
  when: {{property.verdict: reject}}
  then: reject
  note: 'No {{account.username}}'
- id: answered
  on: [property, meter]
  when: {{connection.custom.Number: {{in: accounts}}, access_level: Read Write}}
  then: accept
- id: numbered
  on: [connection, property]
  when: {{custom.Number: {{matches: '[0-9]+'}}}}
  then: accept
  note: '{{custom.Number}}'
- id: unshared
  on: meter
  when:
    any:
      - property.share: none
      - {{account.id: 1, not: {{meter.type: Electric}}}}
  then: accept
- {{id: forwarded, on: [property, meter], when: {{property.address.state: OR, forwarded: true}}, then: reject}}
- {{id: domain, on: [connection, property, meter], when: {{account.email_domain: b.example}}, then: reject}}
""".encode()
    }
)

small = st.integers(1, 3)
texts = st.none() | st.text(st.characters(exclude_categories=()), max_size=4) | st.just("7")
customs = st.lists(st.builds(CustomField, st.sampled_from(["Number", "number ", ""]), texts.map(str)), max_size=3).map(
    tuple
)
faults = st.dictionaries(
    st.sampled_from(["account.id", "custom.Number", "property", "sender.id"]), st.just("?"), max_size=1
)
accounts = st.none() | st.builds(AccountInfo, email=st.sampled_from([None, "", "a@b.example", "a"]))


def _of_kind(kind: Kind) -> st.SearchStrategy[tuple[PendingRequest, ...]]:
    request = st.builds(
        PendingRequest,
        kind=st.just(kind),
        id=small,
        account_id=st.none() | small,
        username=texts,
        sender_id=st.none() | small,
        access_level=st.sampled_from([None, "Read", "Read Write", "?"]),
        custom=customs,
        account_info=accounts,
        property_id=st.none() | small,
        property_info=st.none() | st.builds(PropertyInfo, name=texts),
        meter_info=st.none() | st.builds(MeterInfo, type=texts),
        faults=faults,
    )
    return st.lists(request, max_size=4).map(tuple)


def fact(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[Fact[object]]:
    """What the strategy brings, or that it was not learnt."""
    return strategy | st.just(NotLearnt("not in this world"))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Worlds in which everything may be missing, repeated or garbled."""
    lists = [
        pending_list(
            kind,
            draw(_of_kind(kind)),
            failed=draw(st.sampled_from([None, None, "timeout"])),
            unreadable=draw(st.sampled_from([(), (Unreadable(kind, "no id", b""),)])),
        )
        for kind in Kind
    ]
    return Snapshot(
        ended=NOW,
        provider=ProviderAccount(id=1, username="utility"),
        connections=lists[0],
        properties=lists[1],
        meters=lists[2],
        connected=draw(fact(st.frozensets(small))),
        shared_properties=draw(st.dictionaries(small, fact(st.frozensets(small)))),
        answers_at_connection=draw(st.dictionaries(small, fact(customs))),
        accounts=draw(st.dictionaries(small, fact(accounts.map(lambda each: each or AccountInfo())))),
        custom_fields=draw(fact(st.just((CustomFieldDefinition(id=1, name="Number"),)) | st.just(()))),
    )


tables = st.dictionaries(
    st.sampled_from(["accounts", "idle"]),
    fact(st.just(key_table("accounts", {"7"}, digest="d"))),
)


@given(snapshots(), tables)
def test_decide_is_total_and_deterministic(seen, given_tables):
    """Every request of every world gets one decision, the same each time, and nothing in doubt is answered."""
    decisions = decide(seen, policy=EVERYTHING, tables=given_tables, now=NOW)
    assert decisions == decide(seen, policy=EVERYTHING, tables=dict(reversed(given_tables.items())), now=NOW)
    keys = [decision.key for decision in decisions]
    assert len(keys) == len(set(keys))
    assert set(keys) == {request.key for each in seen.lists for request in each.requests}
    whole = {each.kind: each.whole for each in seen.lists}
    for decision in decisions:
        _is_sound(decision, whole=whole[decision.request.kind])


def _is_sound(decision: Decision, *, whole: bool) -> None:
    if decision.verdict is not Verdict.HOLD:
        assert whole
        assert decision.request.account_id is not None
        assert "account.id" not in decision.request.faults
        assert decision.rule is not None
        assert decision.unknown == ()
    assert decision.note is None or 1 <= len(decision.note) <= 1000
    assert (decision.reason.kind is ReasonKind.UNKNOWN) is bool(decision.unknown)
    assert decision.reason.text.endswith(".")


TWICE = (connection(), connection(custom=()))
FAULTY = connection(faults={"account.address.state": "'XX' is no state"})


@pytest.mark.parametrize(
    ("when", "seen", "why"),
    [
        ("{account.email: a@b.example}", snapshot(meter()), "the owner's account was not read"),
        (
            "{account.email: a@b.example}",
            snapshot(meter(), connection(account_info=None)),
            "the owner's pending connection request does not state it unambiguously",
        ),
        ("{account.address.state: IL}", snapshot(meter(), FAULTY), "'XX' is no state (connection:410221)"),
        ("{connection.custom.Number: '7'}", snapshot(meter()), "the owner's answers at connection were not read"),
        (
            "{connection.custom.Number: '7'}",
            snapshot(meter(), *TWICE),
            "there is more than one version of the owner's connection request",
        ),
        ("{property.custom.Number: '7'}", snapshot(meter()), "the share of its property is not pending"),
        (
            "{property.custom.Number: '7'}",
            snapshot(meter(), share(faults={"custom.Number": "it holds markup"})),
            "it holds markup (property:8120045)",
        ),
        ("{property.share: shared}", snapshot(meter()), "the owner's shared properties were not read"),
        (
            "{property.share: shared}",
            snapshot(meter(), properties=pending_list(Kind.PROPERTY, failed="500")),
            "the list of pending property shares is incomplete",
        ),
        (
            "{property.verdict: accept}",
            snapshot(meter(), properties=pending_list(Kind.PROPERTY, failed="500")),
            "the list of pending property shares is incomplete",
        ),
    ],
)
def test_what_could_not_be_learnt_is_said_with_its_cause(when, seen, why):
    """People must learn from the reason what to look at."""
    decision = decide(seen, policy=probe(when), tables={}, now=NOW)[-1]
    assert decision.reason.kind is ReasonKind.UNKNOWN
    assert f": {why}" in decision.reason.text or f"({why}" in decision.reason.text, decision.reason.text


def test_a_request_that_is_not_understood_says_what_it_lacks():
    """The sentence names the field, the request, and the cause."""
    without, garbled = share(account_id=None), share(HOUSE + 1, faults={"property.id": "it stands twice"})
    texts = [
        each.reason.text for each in decide(snapshot(without, garbled), policy=probe("always"), tables={}, now=NOW)
    ]
    assert texts == [
        "The account.id of property 8120045 is unknown: the document does not contain it.",
        "The property.id of property 8120046 is unknown: it stands twice.",
    ]


def spoilt(kind: Kind, more: str, *others: str) -> tuple[PendingRequest, ...]:
    """The requests of a list in which one has a character that XML forbids; none where nobody can read the list."""
    name = {Kind.CONNECTION: "account", Kind.PROPERTY: "property", Kind.METER: "meter"}[kind]
    ids = f"<propertyId>{HOUSE}</propertyId>" if kind is not Kind.CONNECTION else ""
    ids += f"<meterId>{METER}</meterId>" if kind is Kind.METER else ""
    first = f"<{name}>{ids}<accountId>{OWNER}</accountId><username>a</username>{more}</{name}>"
    try:
        return parse.parse_pending_page(kind, f"<pendingList>{first}{''.join(others)}</pendingList>".encode()).requests
    except DocumentRefused:
        return ()


def numbered(value: str) -> str:
    """What somebody says in a custom field."""
    return f'<customFieldList><customField name="Number">{value}</customField></customFieldList>'


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(
    ("more", "where"), [(numbered("7\x0b"), "customFieldList/customField"), ("<notes>&#11;</notes>", "notes")]
)
def test_a_request_with_a_character_that_xml_forbids_is_held(kind, more, where):
    """Wherever it stands, whatever the policy asks; the reason names the request and the place."""
    rules = probe("always", on="[connection, property, meter]")
    decisions = decide(snapshot(*spoilt(kind, more)), policy=rules, tables={}, now=NOW)
    assert [(each.verdict, each.reason.kind) for each in decisions] == [(Verdict.HOLD, ReasonKind.NOT_UNDERSTOOD)]
    (decision,) = decisions
    what = {Kind.CONNECTION: f"account/{where}", Kind.PROPERTY: f"property/{where}", Kind.METER: f"meter/{where}"}
    who = f"The {decision.key.kind} request {decision.key.id}"
    assert decision.reason.text == f"{who} contains a character that XML does not allow, in {what[kind]}."


@pytest.mark.parametrize(
    ("character", "verdict"), [("\ufdd0", Verdict.HOLD), ("\ufdd1", Verdict.REJECT), ("\ufffd", Verdict.REJECT)]
)
def test_the_marker_itself_is_as_good_as_a_forbidden_character(character, verdict):
    """Nobody can say whether it was there; U+FFFD, which customers do have, is a text as any other."""
    request = spoilt(Kind.CONNECTION, numbered(character))
    (decision,) = decide(snapshot(*request), policy=probe("always", on="connection"), tables={}, now=NOW)
    assert decision.verdict is verdict


@pytest.mark.parametrize(
    ("when", "kind", "more"),
    [
        ("{account.email: a@b.example}", Kind.CONNECTION, "<accountInfo><email>a@b.example</email>%s</accountInfo>"),
        ("{connection.custom.Number: '7'}", Kind.CONNECTION, numbered("7") + "<notes>%s</notes>"),
        ("{property.custom.Number: '7'}", Kind.PROPERTY, numbered("7") + "<notes>%s</notes>"),
    ],
)
def test_what_a_request_with_a_forbidden_character_says_is_not_learnt(tell, when, kind, more):
    """Nor may another request rely on it; the property's hold is known all the same."""
    assert tell(when, snapshot(meter(), *spoilt(kind, more % ""))) == "true"
    seen = snapshot(meter(), *spoilt(kind, more % "\x0b"))
    assert tell(when, seen) == ("unknown" if any(each.requests for each in seen.lists[:2]) else "the list was refused")
    if kind is Kind.PROPERTY:
        assert tell("{property.verdict: hold, property.share: pending}", seen) == "true"


@pytest.mark.parametrize(
    ("value", "clean", "comes_out"),
    [
        ("7\x0b", "", "unknown"),
        ("\x0b7", "", "unknown"),
        ("&#0;7&#0;", "", "unknown"),
        ("0\x0b7", "", "false"),
        ("7\x0b", ", clean: digits", "unknown"),
        ("No. 7 \x0b", ", clean: digits", "unknown"),
        ("7\x0b7", ", clean: digits", "false"),
        ("8\x0b", ", clean: digits", "false"),
        ("8\x0b", "", "false"),
        ("7</customField></customFieldList><notes>\x0b</notes><customFieldList><customField>", "", "unknown"),
    ],
)
def test_a_value_with_a_forbidden_character_may_be_the_same_without_it(value, clean, comes_out):
    """Who may have taken it is unknown; whoever has another number is not stopped by it."""
    other = spoilt(Kind.CONNECTION, numbered(value))
    asks = meter(custom=(NUMBER,), account_id=2)
    rules = probe(f"{{custom.Number: {{taken: true{clean}}}}}")
    decision = decide(snapshot(asks, *other), policy=rules, tables={}, now=NOW, accepted=())[-1]
    assert ({"default": "false", "unknown": "unknown"}[decision.reason.kind], len(other)) == (comes_out, 1)


def test_bytes_may_differ_where_nothing_that_was_said_does():
    """The same request on two pages, written with other blanks, is decided once; its bytes are no content."""
    first, second = share(source=b"<property/>"), share(source=b"<property />")
    (decision,) = decide(snapshot(first, second), policy=probe("always", on="property"), tables={}, now=NOW)
    assert decision.verdict is Verdict.REJECT


AGED = "{age: {above: 1h}}"


@pytest.mark.parametrize(
    ("clock", "comes_out"),
    [
        (timedelta(0), "true"),
        (timedelta(minutes=5), "true"),
        (-timedelta(minutes=5), "true"),
        (timedelta(minutes=5, seconds=1), "unknown"),
        (-timedelta(minutes=5, seconds=1), "unknown"),
        (NotLearnt("no answer had a Date"), "unknown"),
    ],
)
def test_what_is_old_is_unknown_while_our_clock_and_the_service_s_are_apart(tell, clock, comes_out):
    """A machine whose clock has jumped must not send everybody away as too late."""
    request = meter(requested_at=NOW - timedelta(hours=2))
    assert tell(AGED, snapshot(request, clock=clock)) == comes_out


def test_a_doubtful_clock_is_named_in_the_reason():
    """Whoever reads it knows what to put right."""
    request = meter(requested_at=NOW)
    texts = [
        decide(snapshot(request, clock=clock), policy=probe(AGED), tables={}, now=NOW)[0].reason.text
        for clock in (timedelta(hours=-1), NotLearnt("no Date"))
    ]
    start = "Rule probe could not be evaluated because age is unknown: "
    assert texts == [
        f"{start}this machine's clock differs from Portfolio Manager's by 3,600 seconds, more than five minutes.",
        f"{start}this machine's clock could not be checked against Portfolio Manager's: no Date.",
    ]


def test_each_request_is_judged_by_how_long_it_was_held_itself():
    """What the ledger does not name nobody holds; without a ledger it is not known."""
    expire = "expire: {after: 2d, then: reject}"
    waits = policy.load(
        {"p.yaml": f"{PROBE}- {{id: waits, on: connection, when: always, then: hold, {expire}}}".encode()}
    )
    held = {RequestKey(Kind.CONNECTION, 1): Held("waits", NOW - timedelta(days=2))}
    seen = snapshot(connection(1), connection(2))
    kinds = [each.reason.kind for each in decide(seen, policy=waits, tables={}, now=NOW, held=held)]
    assert kinds == [ReasonKind.EXPIRED, ReasonKind.RULE]
    assert {each.verdict for each in decide(seen, policy=waits, tables={}, now=NOW)} == {Verdict.HOLD}


TAKEN = "{custom.Number: {taken: true, clean: digits}}"
ASKED = meter(custom=(NUMBER,))
SILENT = replace(connection(2), custom=())


@pytest.mark.parametrize(
    ("world", "accepted", "verdict"),
    [
        (snapshot(ASKED), (), "hold by default"),
        (snapshot(ASKED, connection()), (), "hold by default"),
        (snapshot(ASKED, connection(2)), (), "reject by connection:2"),
        (
            snapshot(ASKED, connection(2, custom=(CustomField("number", "No. 7"),))),
            (),
            "reject by connection:2",
        ),
        (snapshot(ASKED, connection(2, custom=(CustomField("Number", "8"),))), (), "hold by default"),
        (snapshot(ASKED, connection(2), connection(2, username="x")), (), "hold by unknown"),
        (
            snapshot(ASKED, replace(SILENT, faults={"custom.number": "x"})),
            (),
            "hold by unknown",
        ),
        (snapshot(ASKED, replace(SILENT, faults={"custom.": "x"})), (), "hold by unknown"),
        (
            snapshot(ASKED, replace(SILENT, faults={"custom.Parcel": "x"})),
            (),
            "hold by default",
        ),
        (snapshot(ASKED, connection(2, account_id=None)), (), "hold by unknown"),
        (snapshot(ASKED, properties=pending_list(Kind.PROPERTY, failed="500")), (), "hold by unknown"),
        (
            snapshot(ASKED, connection(2), properties=pending_list(Kind.PROPERTY, failed="500")),
            (),
            "reject by connection:2",
        ),
        (
            snapshot(
                ASKED,
                properties=pending_list(Kind.PROPERTY, unreadable=(Unreadable(Kind.PROPERTY, "no id", b"<p/>"),)),
            ),
            (),
            "hold by unknown",
        ),
        (snapshot(ASKED), NotLearnt("away"), "hold by unknown"),
        (
            snapshot(ASKED),
            (Claim(key=RequestKey(Kind.PROPERTY, 9), owner=2, custom=(NUMBER,)),),
            "reject by property:9",
        ),
        (
            snapshot(ASKED),
            (Claim(key=RequestKey(Kind.PROPERTY, 9), owner=OWNER, custom=(NUMBER,)),),
            "hold by default",
        ),
    ],
)
def test_what_another_owner_has_taken(world, accepted, verdict):
    """The pending lists and the ledger say who has the same value; what they cannot say is unknown."""
    decision = decide(world, policy=probe(TAKEN), tables={}, now=NOW, accepted=accepted)[-1]
    assert f"{decision.verdict} by {decision.reason.other or decision.reason.kind}" == verdict


def test_both_have_taken_it():
    """Of two owners who ask at once with the same value each sees the other."""
    rules = probe(TAKEN, "connection")
    decisions = decide(snapshot(connection(2), connection(3)), policy=rules, tables={}, now=NOW, accepted=())
    assert [str(decision.reason.other) for decision in decisions] == ["connection:3", "connection:2"]


def missed(request: PendingRequest) -> MissedRequest:
    """A request that one read does not show, with what it says in its custom fields."""
    claim = Claim(key=request.key, owner=request.account_id, username=request.username, custom=request.custom)
    return MissedRequest(replace(request, custom=(), property_info=None, account_info=None), claim)


def test_what_one_read_misses_is_held():
    """It may pend, so it is decided with the rest; nobody answers it."""
    every = probe("always", on="[connection, property, meter]")
    unseen = [missed(each) for each in (connection(2), share(7))]
    decisions = decide(snapshot(connection(), meter()), policy=every, tables={}, now=NOW, missed=unseen)
    found = [(str(each.key), each.verdict, each.reason.kind) for each in decisions]
    assert found == [
        ("connection:410221", Verdict.REJECT, ReasonKind.RULE),
        ("connection:2", Verdict.HOLD, ReasonKind.MISSED_ONCE),
        ("property:7", Verdict.HOLD, ReasonKind.MISSED_ONCE),
        ("meter:30511977", Verdict.REJECT, ReasonKind.RULE),
    ]
    assert decisions[1].policy_digest == every.digest


def test_an_id_whose_earlier_request_is_missed_once_is_held():
    """The list may show both tomorrow, and an answer names only the id."""
    (decision,) = decide(
        snapshot(connection()),
        policy=probe("always", on="connection"),
        tables={},
        now=NOW,
        missed=[missed(connection())],
    )
    assert (decision.verdict, decision.reason.kind) == (Verdict.HOLD, ReasonKind.MISSED_ONCE)
    assert "The earlier request connection 410221 is missing" in decision.reason.text


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("{property.share: pending}", "true"),
        ("{property.verdict: hold}", "true"),
        ("{property.share: none}", "false"),
        ("{property.custom.Number: '7'}", "unknown"),
    ],
)
def test_a_share_that_one_read_misses_pends_for_its_meters(condition, expected):
    """It is held; what the customer answered with it is not known."""
    seen = snapshot(meter(), shared_properties={OWNER: frozenset()})
    decisions = decide(seen, policy=probe(condition), tables={}, now=NOW, missed=[missed(share())])
    reason = decisions[-1].reason.kind
    assert {"rule": "true", "default": "false", "unknown": "unknown"}[reason] == expected


def test_a_value_is_taken_by_a_request_that_one_read_misses():
    """Without doubt: it pends until a second read misses it too."""
    rules = probe("{custom.Number: {taken: true}}", on="connection")
    (first, _) = decide(
        snapshot(connection()),
        policy=rules,
        tables={},
        now=NOW,
        accepted=(),
        missed=[missed(connection(OWNER + 1))],
    )
    assert (first.verdict, first.reason.kind) == (Verdict.REJECT, ReasonKind.RULE)
    assert first.reason.other == RequestKey(Kind.CONNECTION, OWNER + 1)


def answered(seen: Snapshot, *keys: RequestKey, then: str = "reject") -> dict[str, Decision]:
    """Decide this snapshot by a policy that says `then`, while Ana has accepted the requests with these keys."""
    rules = policy.load({"p.yaml": f"{PROBE}- {{id: probe, on: connection, when: always, then: {then}}}".encode()})
    answers = dict.fromkeys(keys, by_people(Action.ACCEPT, note="Welcome."))
    decisions = decide(seen, policy=rules, tables={}, now=NOW, human_answers=answers)
    return {str(decision.key): decision for decision in decisions}


def test_people_stand_above_the_policy():
    """Once, for the very request; the others are decided by the policy, and what it found is kept."""
    seen = snapshot(connection(), connection(2))
    made = answered(seen, RequestKey(Kind.CONNECTION, OWNER))
    by_ana, by_policy = made[f"connection:{OWNER}"], made["connection:2"]
    assert (by_ana.verdict, by_ana.rule, by_ana.note) == (Verdict.ACCEPT, None, "Welcome.")
    assert by_ana.reason == Reason(ReasonKind.PERSON, "Accepted by ana.")
    assert by_ana.person == by_people(Action.ACCEPT, note="Welcome.")
    assert by_ana.evidence == by_policy.evidence
    assert (by_policy.verdict, by_policy.rule, by_policy.person) == (Verdict.REJECT, "probe", None)


def test_a_meter_asks_about_a_property_that_people_accepted():
    """What people decided about a property counts for its meters as any other verdict."""
    rules = probe("{property.verdict: {in: [accept]}}")
    key = RequestKey(Kind.PROPERTY, HOUSE)
    decisions = decide(
        snapshot(share(), meter()),
        policy=rules,
        tables={},
        now=NOW,
        human_answers={key: by_people(Action.ACCEPT)},
    )
    assert [decision.verdict for decision in decisions] == [Verdict.ACCEPT, Verdict.REJECT]


@pytest.mark.parametrize(
    "seen",
    [
        snapshot(connection(), failed=Kind.CONNECTION),
        snapshot(connection(), connection(custom=())),
        snapshot(share(account_id=None)),
        snapshot(connection(faults={"account.id": "not a number"})),
    ],
    ids=["list not whole", "twice with different content", "owner unknown", "owner not readable"],
)
def test_people_do_not_stand_above_doubt_about_what_is_pending(seen):
    """An answer identifies a request only by its id, and the owner says what goes along. So the answer waits."""
    keys = (RequestKey(Kind.CONNECTION, OWNER), RequestKey(Kind.PROPERTY, HOUSE))
    assert {decision.verdict for decision in answered(seen, *keys).values()} == {Verdict.HOLD}


def test_people_may_answer_what_the_program_cannot_read():
    """A garbled name is no reason why a person who has read it should not answer."""
    made = answered(snapshot(connection(garbled="the name")), RequestKey(Kind.CONNECTION, OWNER))
    assert made[f"connection:{OWNER}"].verdict is Verdict.ACCEPT
