"""What the real client reads of the real simulator is what the simulated world holds."""

from __future__ import annotations

import pytest

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import State
from tests.contract.calls import Ground


@pytest.mark.parametrize("kind", Kind)
async def test_all_pages_of_a_list_are_all_that_pends(kind: Kind, simulate, sign_in) -> None:
    """Page after page until there is no next one: every pending request once, none in doubt."""
    simulator = await simulate(pending=150)
    pm = await sign_in(simulator)
    pages = [await pm.pending_page(kind, 1)]
    while pages[-1].has_next:
        pages.append(await pm.pending_page(kind, len(pages) + 1))
    requests = [request for page in pages for request in page.requests]
    assert sorted(request.id for request in requests) == sorted(
        tie.key.id for tie in simulator.world.having(kind, State.PENDING)
    )
    assert len(pages) == -(-len(requests) // 20) > 1
    assert not [request for request in requests if request.faults]
    assert not [page for page in pages if page.unreadable]
    for request in requests:
        tie = simulator.world.ties[request.key]
        assert (request.account_id, request.sender_id) == (simulator.world.owner_of(request.key), tie.sender)
        assert (request.requested_at, request.access_level) == (tie.asked_at, tie.access)


async def test_the_facts_are_those_of_the_world(simulate, sign_in) -> None:
    """Who we are, who is connected, what is shared, what we ask for, and whose a pending meter is."""
    ground = Ground()
    world = ground.world
    pm = await sign_in(await simulate(world))
    meter, shared = ground.pending[Kind.METER], ground.shared[Kind.PROPERTY]
    owner = world.owner_of(RequestKey(Kind.PROPERTY, shared))
    assert (await pm.account()).id == world.provider.id
    assert await pm.customers() == {tie.key.id for tie in world.having(Kind.CONNECTION, State.ACTIVE)}
    assert await pm.customer(ground.customer) == world.accounts[ground.customer].info
    assert await pm.answers_at_connection(ground.customer) == world.answers.get(
        RequestKey(Kind.CONNECTION, ground.customer), ()
    )
    assert shared in await pm.shared_properties(owner)
    assert [field.name for field in await pm.custom_fields()] == [field.name for field in world.custom_fields]
    assert await pm.custom_field(ground.field) == world.custom_fields[0]
    assert (await pm.hierarchy(Kind.METER, meter)).property_id == world.meters[meter].property_id
    assert len(await pm.notifications(clear=False)) == len(world.notifications)
