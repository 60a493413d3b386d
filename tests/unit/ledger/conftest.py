"""A ledger for each test, on SQLite and on PostgreSQL in turn."""

from __future__ import annotations

import pytest

from pm_autoaccept.ledger import Database, SqlLedger
from tests.examples import NOW
from tests.unit.ledger.acting import SERVICE, US


@pytest.fixture
async def database(ledger_address):
    """A database with the ledger's tables."""
    made = await Database.open(ledger_address)
    yield made
    await made.close()


@pytest.fixture
async def ledger(ledger_address):
    """A ledger that was claimed for us, given back at the end."""
    made = await SqlLedger.open(ledger_address)
    await made.claim(service=SERVICE, provider=US, at=NOW)
    yield made
    await made.close()
