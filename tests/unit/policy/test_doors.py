"""Ways in that stood open once: each is closed."""

from __future__ import annotations

import pytest

from pm_autoaccept import policy
from pm_autoaccept.errors import PolicyRefused
from pm_autoaccept.model import Facts, Kind, Truth
from pm_autoaccept.parse import parse_pending_page
from pm_autoaccept.policy.data.tables import build_table

HEAD = "version: 1\n"
TABLE = f"{HEAD}data: {{table: {{csv: t.csv, key: key}}}}\n"
FACTS = Facts(defined=frozenset({"Key", "N"}))
SHARE = b"""<pendingList><property><propertyId>7</propertyId><accountId>1</accountId><username>u</username>
<accessLevel>Read Write</accessLevel></property></pendingList>"""
CONNECTION = b"<pendingList><account><accountId>1</accountId><username>u</username>%s</account></pendingList>"

DOMAIN = b"<accountInfo><email>%s</email></accountInfo>"


def refused(text: str, **files: str) -> str:
    """What is said of a policy that does not load."""
    with pytest.raises(PolicyRefused) as caught:
        policy.load({"p.yaml": text.encode()} | {f"{name}.test.yaml": each.encode() for name, each in files.items()})
    return "\n".join(fault.message for fault in caught.value.faults)


def truth_of(text: str, document: bytes, kind: Kind) -> Truth:
    """How the one rule of a policy comes out for the one request of a document."""
    loaded = policy.load({"p.yaml": text.encode()})
    (request,) = parse_pending_page(kind, document).requests
    came = loaded.explain(request, FACTS, {})[0].came
    return Truth(str(came))


@pytest.mark.parametrize(
    ("when", "kind", "document"),
    [
        ("{property.primary_function: Office}", Kind.PROPERTY, SHARE),
        ("{property.address.state: IN}", Kind.PROPERTY, SHARE),
        ("{property.address.state: {present: false}}", Kind.PROPERTY, SHARE),
        ("{account.organization: Acme}", Kind.CONNECTION, CONNECTION % b""),
        (
            "{account.address.state: IL}",
            Kind.CONNECTION,
            CONNECTION % (DOMAIN % b"a@b.c"),
        ),
    ],
)
def test_a_group_that_the_schema_requires_and_that_is_missing_is_our_gap(when, kind, document):
    """Nobody is let past a rule because the document lacks the part that it asks of."""
    text = f"{HEAD}rules:\n  - {{id: a, on: {kind}, when: {when}, then: reject}}\n"
    assert truth_of(text, document, kind) is Truth.UNKNOWN


@pytest.mark.parametrize("email", [b"x@Spammer.Com", "x\uff20spammer.com".encode()])
def test_a_domain_is_one_however_it_is_written(email):
    """Capitals and a full-width @ hide nobody from a list of domains, from a pattern, or from data."""
    document = CONNECTION % (DOMAIN % email)
    rule = "rules:\n  - {{id: a, on: connection, when: {{account.email_domain: {}}}, then: reject}}\n"
    assert truth_of(HEAD + rule.format("{matches: '.*Spammer\\.Com'}"), document, Kind.CONNECTION) is Truth.TRUE
    data = "data: {blocked: {lines: b.txt, clean: fold_case}}\n"
    loaded = policy.load({"p.yaml": (HEAD + data + rule.format("{in: blocked}")).encode()})
    (request,) = parse_pending_page(Kind.CONNECTION, document).requests
    table = build_table(loaded.sources["blocked"], [["Spammer.Com"]])
    judged = loaded.judge(request, FACTS, {"blocked": table})
    assert judged.rule == "a"


def test_data_for_what_comes_in_lower_case_say_so():
    """A key with capitals would never be found."""
    text = HEAD + "data: {blocked: {lines: b.txt}}\nrules:\n  - {id: a, on: connection, then: reject, when: %s}\n"
    assert "clean: fold_case" in refused(text % "{account.email_domain: {in: blocked}}")
    assert "fold_case` to the column `value`" in refused(
        text % "{lookup: {in: blocked, by: {value: account.email_domain}}}"
    )


def test_nothing_is_accepted_by_waiting():
    """`held_for` has no place in a rule that accepts, whatever else it asks."""
    rule = "rules:\n  - {id: a, on: connection, then: accept, when: {custom.N: '1', held_for: {at_least: 30d}}}\n"
    assert "nothing is accepted by waiting" in refused(HEAD + rule)


@pytest.mark.parametrize("text", ['a: "see \\UFFFFFFFF"\n', 'a: "\\U00110000"\n', f"%YAML 1.{'9' * 5000}\n---\na: b\n"])
def test_what_yaml_itself_trips_over_is_a_fault(text):
    """It stops no daemon."""
    assert "invalid escape sequence (\\U…) in this file" in refused(HEAD + text if not text.startswith("%") else text)


RULES = HEAD + "rules:\n  - {id: a, on: connection, when: {account.username: x}, then: accept}\n"


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (
            "request: {kind: property}, facts: {account: {email_domain: x}}, expect: {verdict: hold, rule: a}",
            "`account.email_domain` is derived",
        ),
        ("request: {kind: connection}, expect: {verdict: hold, rule: a, unknown: [[b], {d: e}]}", "one text"),
    ],
)
def test_what_a_case_cannot_say_is_refused(case, said):
    """Nothing that stands in a case is passed over."""
    assert said in refused(RULES, p=f"cases:\n  - {{about: b, {case}}}\n")


def test_the_key_that_a_private_field_is_looked_up_by_is_as_private():
    """Evidence says matched or not, and not what."""
    text = (
        HEAD + "private: [custom.Key]\ndata: {keys: {csv: k.csv, key: k, columns: {n: text}}}\nrules:\n"
        "  - {id: a, on: connection, then: reject, when: {lookup: {in: keys, by: {k: custom.Key}, "
        "where: {k: {starts_with: SEC}}}}}\n"
    )
    loaded = policy.load({"p.yaml": text.encode()})
    custom = b"<customFieldList><customField name='Key'>SECRET-77</customField></customFieldList>"
    (request,) = parse_pending_page(Kind.CONNECTION, CONNECTION % custom).requests
    table = build_table(loaded.sources["keys"], [["SECRET-77", "x"]])
    judged = loaded.judge(request, FACTS, {"keys": table})
    assert judged.rule == "a"
    assert "SECRET" not in str(judged)


@pytest.mark.parametrize("first", ["connection.custom.N", "custom.N"])
def test_two_fields_of_one_name_are_taken_each_by_itself(first):
    """What a case says of one does not stand for the other."""
    other = {"connection.custom.N": "custom.N", "custom.N": "connection.custom.N"}[first]
    rules = (
        HEAD + "rules:\n"
        f"  - {{id: one, on: meter, when: {{{first}: {{taken: true}}}}, then: hold}}\n"
        f"  - {{id: two, on: meter, when: {{{other}: {{taken: true}}}}, then: reject}}\n"
        "  - {id: three, on: meter, when: {account.username: u}, then: accept}\n"
    )
    decides = "{verdict: reject, rule: two}" if first == "custom.N" else "{verdict: hold, rule: one}"
    case = (
        "cases:\n  - about: b\n    request: {kind: meter, account: {username: u}, custom: {N: '2'}}\n"
        "    facts: {connection.custom.N: '1', taken: {connection.custom.N: true, custom.N: false}}\n"
        f"    expect: {decides}\n"
    )
    policy.load_checked({"p.yaml": rules.encode(), "p.test.yaml": case.encode()})


@pytest.mark.parametrize(
    ("on", "when"),
    [
        ("connection", "{account.connected: false}"),
        ("connection", "{account.id: {above: 0}}"),
        ("connection", "{sender.id: {at_least: -9}}"),
        ("connection", "{custom.A: {same_as: custom.B}}"),
        ("connection", "{custom.A: {same_as: account.email}}"),
        ("meter", "{property.verdict: [accept, hold]}"),
        ("meter", "{lookup: {in: table, by: {key: meter.type}}}"),
        ("meter", "{lookup: {in: table, by: {key: kind}}}"),
    ],
)
def test_an_accept_that_asks_what_is_true_of_everybody_asks_nobody(on, when):
    """What a stranger fills in twice, every id, a table of kinds: none says who is let in."""
    text = f"{TABLE}rules:\n  - {{id: a, on: {on}, when: {when}, then: accept}}\n"
    assert "this accept does not identify who it accepts" in refused(text)


@pytest.mark.parametrize(
    ("on", "when"),
    [
        ("property", "{account.connected: true}"),
        ("connection", "{account.id: [7, 8]}"),
        ("meter", "{property.verdict: accept}"),
        ("meter", "{custom.A: {same_as: connection.custom.A}}"),
        ("meter", "{lookup: {in: table, by: {key: property.id}}}"),
    ],
)
def test_an_accept_that_asks_who_it_is_loads(on, when):
    """Whom somebody named, or who was let in before."""
    text = f"{TABLE}rules:\n  - {{id: a, on: {on}, when: {when}, then: accept}}\n"
    assert policy.load({"p.yaml": text.encode()}).rules


@pytest.mark.parametrize(
    "when",
    [
        "{property.gross_floor_area: {in: table}}",
        "{property.is_federal: {in: table}}",
        "{requested_at: {in: table}}",
        "{lookup: {in: table, by: {key: property.gross_floor_area}}}",
        "{lookup: {in: table, by: {key: age}}}",
    ],
)
def test_what_is_written_in_many_ways_is_not_looked_up(when):
    """1000 and 1,000.0 are one area and two keys."""
    text = f"{TABLE}rules:\n  - {{id: a, on: property, when: {when}, then: reject}}\n"
    assert "and one value can be spelled in several ways" in refused(text)


@pytest.mark.parametrize("enforce", ["true", "false"])
def test_a_hold_does_not_ask_how_long_it_has_held(enforce):
    """It would hold, be false, and hold anew, and never end."""
    rule = f"rules:\n  - {{id: a, on: connection, then: hold, enforce: {enforce}, when: {{held_for: {{above: 5d}}}}}}\n"
    assert "and set the time with `expire`" in refused(HEAD + rule)


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u00ad", "\u2800", "\u3164", "\u0085 \u009f", "\U000e0041"])
def test_what_nobody_sees_is_not_there(unseen):
    """It fills in no field, and makes no other name of a name."""
    custom = "<customFieldList><customField name='N'>%s</customField></customFieldList>"
    rule = "rules:\n  - {{id: a, on: connection, when: {{custom.N: {}}}, then: reject}}\n"
    alone, inside = (CONNECTION % (custom % text).encode() for text in (unseen, f"12{unseen}34"))
    assert truth_of(HEAD + rule.format("{present: true}"), alone, Kind.CONNECTION) is Truth.FALSE
    if " " not in unseen:
        assert truth_of(HEAD + rule.format("'1234'"), inside, Kind.CONNECTION) is Truth.TRUE


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (
            "request: {kind: meter, meter: {type: Electric, category: waste}}",
            "this `meter.type` has the category energy",
        ),
        ("request: {kind: meter}, data: {table: ['', ' ']}", "data without keys is never used"),
    ],
)
def test_a_case_shows_nothing_that_the_daemon_never_sees(case, said):
    """Its answer would be one that nobody gets."""
    rules = TABLE + "rules:\n  - {id: a, on: meter, when: {meter.name: {in: table}}, then: reject}\n"
    assert said in refused(rules, p=f"cases:\n  - {{about: b, {case}, expect: {{verdict: hold}}}}\n")
