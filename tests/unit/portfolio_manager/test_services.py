"""The table of services and the calls made from it."""

from __future__ import annotations

import pytest

from pm_autoaccept.model import Kind
from pm_autoaccept.portfolio_manager.services import ACCOUNT, CUSTOMER, DISCONNECT, PENDING


def test_a_call_is_named_as_it_goes_over_the_wire() -> None:
    """Errors and logs name a call by method, path and query."""
    assert str(ACCOUNT.call()) == "GET /account"
    assert str(PENDING[Kind.METER].call(page="2")) == "GET /share/meter/pending/list?page=2"
    assert str(DISCONNECT.call(7, keepShares="true")) == "POST /disconnect/account/7?keepShares=true"


@pytest.mark.parametrize(
    ("service", "id_", "query"),
    [(CUSTOMER, None, {}), (CUSTOMER, 0, {}), (CUSTOMER, -14, {}), (ACCOUNT, 1, {}), (ACCOUNT, None, {"page": "1"})],
)
def test_a_call_that_no_service_takes_is_an_error(service, id_: int | None, query: dict[str, str]) -> None:
    """An id too many, too few or not above 0, and a parameter of another service, never reach the wire."""
    with pytest.raises(ValueError, match=service.name):
        service.call(id_, **query)
