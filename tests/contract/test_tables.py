"""Both tables of services against EPA's list, written out here by hand from docs/protocol.md#services."""

from __future__ import annotations

import re

from pm_autoaccept.portfolio_manager.services import SERVICES
from pm_autoaccept.simulator import SERVICES as SIMULATED
from tests.contract.calls import Ground, calls_on

TEN = """
GET  /connect/account/pending/list page  -                        pendingList
POST /connect/account/#            -     sharingResponse          response
POST /disconnect/account/#         keepShares terminateSharingResponse response
GET  /share/property/pending/list  page  -                        pendingList
POST /share/property/#             -     sharingResponse          response
GET  /share/meter/pending/list     page  -                        pendingList
POST /share/meter/#                -     sharingResponse          response
POST /unshare/meter/#              -     terminateSharingResponse response
POST /unshare/property/#           -     terminateSharingResponse response
GET  /notification/list            clear -                        notificationList
"""
BESIDE = """
GET  /account                                - - account
GET  /customer/list                          - - response
GET  /customer/#                             - - customer
GET  /account/#/property/list                - - response
GET  /account/#/customFieldList              - - customFieldList
GET  /dataExchangeSettings/customField/list  - - response
GET  /dataExchangeSettings/customField/#     - - customField
GET  /idHierarchy/property/#                 - - hierarchy
GET  /idHierarchy/meter/#                    - - hierarchy
"""
Row = tuple[str, str, str, str, str]


def rows(text: str) -> set[Row]:
    """The rows of a list above."""
    return {tuple(line.split()) for line in text.strip().splitlines()}


def row(method: str, path: str, parameters: tuple[str, ...], sent: str | None, received: str) -> Row:
    """A service as such a row."""
    return (method, re.sub(r"{\w+}", "#", path), ",".join(parameters) or "-", sent or "-", received)


def test_the_clients_table_is_epas_list() -> None:
    """The client calls EPA's ten services as they are, and nine beside them, and no other."""
    ours = [row(each.method, each.path, each.parameters, each.sends, each.receives) for each in SERVICES]
    assert set(ours[:10]) == rows(TEN)
    assert set(ours) == rows(TEN) | rows(BESIDE)
    assert len(ours) == len(set(ours)) == len({each.name for each in SERVICES})
    assert all(each.source.startswith("docs/protocol.md#") for each in SERVICES)


def test_the_simulators_table_holds_epas_list() -> None:
    """The simulator offers each of them in the same shape; what it offers beyond is its own."""
    theirs = {row(each.method, each.path, each.query, each.receives, each.answers) for each in SIMULATED}
    assert rows(TEN) | rows(BESIDE) <= theirs


def test_the_contract_tests_cover_the_table() -> None:
    """Each service of the table has its call in these tests."""
    assert list(calls_on(Ground())) == [each.name for each in SERVICES]
