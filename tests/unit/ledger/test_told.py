"""Who is told of a decision, and what rules that are not enforced would have decided: on record, and told once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pm_autoaccept.model import Mode, Shadow
from tests.examples import NOW, connection, decided
from tests.unit.ledger.acting import ACCEPT, HOLD, MINUTE, REJECT, see

TOLD = replace(decided(connection(), HOLD), tell="tenant-forms", shadows=(Shadow("tried", REJECT),))


@pytest.fixture
async def again(ledger):
    """Decide the request once more, a minute later each time; returns what was appended."""
    await see(ledger, connection(), minute=0)
    times = iter(range(100))

    async def decide(decision):
        appended = await ledger.record_decisions([decision], [], mode=Mode.OBSERVE, at=NOW + next(times) * MINUTE)
        return [each.decision for each in appended]

    return decide


async def test_it_is_on_record(ledger, again):
    """The decision's row has the group, and each rule that was tried with its verdict and what was unknown."""
    doubt = Shadow("doubtful", HOLD, ("custom.Key",))
    await again(replace(TOLD, shadows=(*TOLD.shadows, doubt)))
    (row,) = await ledger.decisions()
    assert (row.tell, row.shadows) == ("tenant-forms", [Shadow("tried", REJECT), doubt])


async def test_the_same_decision_is_told_once(again):
    """Cycle after cycle decides the same, and nobody is told again."""
    assert await again(TOLD) == [TOLD]
    assert await again(TOLD) == []
    assert await again(replace(TOLD, shadows=(Shadow("tried", REJECT, ("a-name",)),))) == []


@pytest.mark.parametrize(
    "change",
    [{"tell": "supervisors"}, {"shadows": ()}, {"shadows": (Shadow("tried", ACCEPT),)}, {"verdict": REJECT}],
)
async def test_another_one_is_told(again, change):
    """Another group, other rules tried, or another verdict make a new row."""
    await again(TOLD)
    other = replace(TOLD, **change)
    assert await again(other) == [other]
