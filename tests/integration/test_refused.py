"""What was refused, and what lets it be sent again: each row of the table, each change of policy and request."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pm_autoaccept.model import Kind, Outcome
from pm_autoaccept.policy import load
from pm_autoaccept.simulator import Fault, FaultKind
from tests.integration.test_cycle import posts

MINUTE = timedelta(minutes=1)

ENVELOPE = '<response status="Error"><errors><error errorNumber="{}" errorDescription="{}"/></errors></response>'
SCHEMA, NO_ACCESS = ENVELOPE.format(-100, "cvc-complex-type.2.4.a"), ENVELOPE.format(-200, "You have no access")
ROWS = {
    "400/-100": (400, SCHEMA, {"template"}),
    "400/-200": (400, NO_ACCESS, {"request"}),
    "403": (403, None, set()),
    "404": (404, None, set()),
    "405": (405, None, {"request"}),
    "302": (302, None, {"request"}),
}
"""Row → status, body, and the changes that let something be sent within the next hour."""

RULE = (
    "version: 1\nlimits: {{accept: none, reject: none}}\n"
    "rules: [{{id: {id}, on: [connection], when: always, then: {then}, note: '{note}'{more}}}]\n"
)
SAID = {"id": "a", "then": "accept", "note": "Sent {age|or some time} ago.", "more": ", i_accept_everyone: true"}
CHANGES = {
    "age": {},
    "rule": {"id": "b"},
    "verdict": {"then": "reject", "more": ""},
    "template": {"note": "Asked {age|or some time} ago."},
    "request": {},
}


def policy(**said: str):
    """A policy with one rule."""
    return load({"policy.yaml": RULE.format(**SAID | said).encode()})


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("change", CHANGES)
async def test_a_refused_answer_is_sent_again_only_by_its_own_row(ground, row, change):
    """The words grow older, and no more: not one POST. Whatever else changes, the row says what it helps."""
    status, body, allowed = ROWS[row]
    made = await ground()
    made.cycle.replace_policy(policy(), {})
    made.simulator.faults.add(Fault(kind=FaultKind.STATUS, status=status, body=body, service="POST"))
    refused = await made.once()
    made.simulator.faults.clear()
    sent = made.posts
    assert sent > 1
    keys = [step.key for step in refused.steps]
    made.cycle.replace_policy(policy(**CHANGES[change]), {})
    if change == "request":
        for key in keys:
            made.simulator.act("withdraw", account=key.id)
            made.simulator.act("connect", account=key.id)
    for _ in range(3):
        made.later(15 * MINUTE)
        await made.once()
    assert made.posts == (2 * sent if change in allowed else sent)
    assert bool(made.simulator.world.pending()[Kind.CONNECTION]) is (change not in allowed)


@pytest.mark.parametrize("row", ["403", "404"])
async def test_what_has_waited_for_its_time_is_sent_again(ground, row):
    """After an hour, with whatever words it has by then."""
    status, body, _ = ROWS[row]
    made = await ground()
    made.cycle.replace_policy(policy(), {})
    made.simulator.faults.add(Fault(kind=FaultKind.STATUS, status=status, body=body, service="POST"))
    await made.once()
    made.simulator.faults.clear()
    sent = made.posts
    made.later(timedelta(minutes=59))
    await made.once()
    assert made.posts == sent
    made.later(timedelta(minutes=2))
    await made.once()
    assert {receipt.outcome for receipt in made.answered[sent:]} == {Outcome.DONE}
    assert b"ago." in posts(made.simulator)[-1].body
