"""`explain --xml`: whoever reads it sees each rule, what it lacked, and what was not available."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pm_autoaccept.cli import cli

POLICY = """
version: 1
data:
  accounts: {values: ['0041']}
  gone: {lines: gone.txt}
rules:
  - {id: on-meters, on: meter, when: {account.username: {in: gone}}, then: reject}
  - {id: blocked, on: connection, when: {account.username: spam_one}, then: reject}
  - {id: tried, on: connection, when: {account.username: riverside}, then: accept, enforce: false}
  - id: in-illinois
    on: connection
    when: {account.address.state: IL, any: [{account.username: x}, {account.job_title: Engineer}]}
    then: accept
"""

LIST = """<pendingList><account><accountId>410221</accountId><username>riverside</username><accountInfo>
<jobTitle>Engi\x7fneer</jobTitle><address address1="1" city="x" postalCode="1" country="US" state="OR"/></accountInfo>
</account></pendingList>"""

TEXT = """\
connection:410221 of riverside (account 410221)
verdict  hold by no rule
because  No rule matched; held for review.
plan     nothing is sent
tried    tried, which is not enforced, would have said accept
data     accounts: 1 row, digest DIGEST
data     gone: not available, since WHY
nearest  in-illinois would accept it, if this came out otherwise:
         false    account.address.state: OR (expected: IL)
         false    account.username: riverside (expected: x)

The rules, in the order in which they are tried:

not on connection requests: on-meters
blocked, reject: false
  false    account.username: riverside (expected: spam_one)
tried, accept (not enforced): true
  true     account.username: riverside (expected: riverside)
in-illinois, accept: false
  false    account.address.state: OR (expected: IL)
  false    one of these:
           false    account.username: riverside (expected: x)
           false    account.job_title: Engi�neer (expected: Engineer)
"""


@pytest.fixture
def explain(tmp_path):
    """What `explain --xml` prints of the list."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "list.xml").write_text(LIST)

    def _explain(output):
        asked = ["explain", "--xml", str(tmp_path / "list.xml"), "--policy", str(tmp_path), "--output", output]
        result = CliRunner().invoke(cli, asked, standalone_mode=False)
        assert result.return_value == 0, result.exception
        return result.stdout

    return _explain


def test_people_read_each_rule_and_what_it_lacked(explain):
    """Line by line, without the manual; and no control character of a customer's reaches the terminal."""
    said = [line.rstrip() for line in explain("text").splitlines()]
    expected = TEXT.splitlines()
    assert len(said) >= len(expected)
    for line, wanted in zip(said, expected, strict=False):
        assert line.startswith(wanted.partition(" DIGEST")[0].partition(" WHY")[0])


def test_machines_get_the_same(explain):
    """Rules with their clauses, the nearest one, what was only tried, and data that were not available."""
    (said,) = json.loads(explain("json"))
    assert [(rule["id"], rule["came"]) for rule in said["rules"]] == [
        ("on-meters", "not on such requests"),
        ("blocked", "false"),
        ("tried", "true"),
        ("in-illinois", "false"),
    ]
    assert said["rules"][3]["clauses"][1]["group"] == "one of"
    assert said["nearest"]["rule"] == "in-illinois"
    assert [each["tests"][0]["expected"] for each in said["nearest"]["lacking"]] == ["IL", "x"]
    assert said["shadows"] == [{"rule": "tried", "verdict": "accept", "unknown": []}]
    assert [(each["name"], each.get("rows")) for each in said["data"]] == [("accounts", 1), ("gone", None)]
    assert "gone.txt" in said["data"][1]["why_not"]


FROM_ELSEWHERE = """
version: 1
data:
  few: {csv: few.csv, key: number, require: {rows: 2}}
  same: {csv: few.csv, key: number, require: {rows: 1, shrink: 20%}}
  afar: {url: 'https://data.example/list.csv', key: number}
rules:
  - {id: a, on: connection, when: {account.username: {in: afar}}, then: hold, enforce: false}
  - {id: b, on: connection, when: {account.username: {in: few}}, then: hold, enforce: false}
  - {id: c, on: connection, when: {held_for: {above: 3d}}, then: reject, enforce: false}
  - {id: d, on: connection, when: {custom.Number: {taken: true}}, then: hold}
"""


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_a_file_does_not_tell_is_said_where_the_policy_asks_for_it(tmp_path, output):
    """Guards that a file can be asked about hold as they would for `run`; what only a ledger knows is named."""
    (tmp_path / "policy.yaml").write_text(FROM_ELSEWHERE)
    (tmp_path / "few.csv").write_text("number\n41\n")
    fields = '<customFieldList><customField name="Number">41</customField></customFieldList>'
    (tmp_path / "list.xml").write_text(LIST.replace("<accountInfo>", f"{fields}<accountInfo>"))
    asked = ["explain", "--xml", str(tmp_path / "list.xml"), "--policy", str(tmp_path), "--output", output]
    said = CliRunner().invoke(cli, asked, standalone_mode=False, env={"COLUMNS": "300"})
    for part in (
        "few.csv: it has 1 row; the policy requires at least 2",
        "it is in a database or at a URL, and only local files are read here",
        "a file does not tell since when it has been held",
        "a file does not tell what requests that were accepted say",
    ):
        assert part in said.stdout
    assert said.stderr.startswith(
        "What these data held before is not looked at here, though the policy requires it: same."
    )
