"""What is private is kept as a keyed digest, and stays the same request."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.ledger.private_values import DIGEST_PREFIX
from pm_autoaccept.model import AnswerState, CustomField, Kind, ProviderAccount, Unreadable
from pm_autoaccept.parse import parse_pending_page
from tests.examples import NOW, connection, pending_list, snapshot
from tests.unit.ledger.acting import ACCEPT, MINUTE, answer, outcomes, read

PRIVATE = frozenset({"share key"})
SECRET = "s3cret & <42>"
LIST = b"""<pendingList><account><accountId>410221</accountId><username>riverside</username><customFieldList>
<customField name="SHARE  KEY">nothing private</customField>
<customField name="Share KEY">s3cret &amp; &lt;42&gt;</customField>
<customField name="Parcel">R-1</customField></customFieldList></account></pendingList>"""


def pending(page: bytes = LIST):
    """The one request of a page, as it was parsed."""
    return parse_pending_page(Kind.CONNECTION, page).requests[0]


async def kept(ledger: SqlLedger, address: str) -> tuple[list[tuple[str, str]], bytes]:
    """The custom fields and the bytes that the ledger has of its last request."""
    (row,) = await ledger.decisions()
    with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as file:
        (source,) = file.execute("select source from request order by id desc limit 1").fetchone()
    return [tuple(each) for each in row.custom], source


@pytest.fixture
async def file(tmp_path):
    """The address of a ledger in a file."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
async def in_file(file):
    """That ledger, claimed."""
    made = await SqlLedger.open(file)
    await made.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(1, "us"), at=NOW)
    yield made
    await made.close()


async def test_a_digest_is_kept_instead_of_the_value_and_within_the_bytes(in_file, file):
    """Other fields stay; the bytes are still a request that can be read."""
    request = pending()
    assert request.custom[1].value == SECRET
    await in_file.record_snapshot(read(request, minute=0), at=NOW, private=PRIVATE)
    await answer(in_file, request, ACCEPT, minute=0)
    custom, source = await kept(in_file, file)
    assert [name for name, _ in custom] == ["SHARE  KEY", "Share KEY", "Parcel"]
    assert custom[0][1] == "nothing private"
    assert custom[1][1].startswith(DIGEST_PREFIX)
    assert custom[2][1] == "R-1"
    again = pending(b"<pendingList>" + source + b"</pendingList>")
    assert [(each.name, each.value) for each in again.custom] == custom
    assert (again.username, again.id) == (request.username, request.id)
    await in_file.close()
    assert b"s3cret" not in b"".join(path.read_bytes() for path in _files(file))


def _files(address):
    from pathlib import Path  # noqa: PLC0415 — used here alone

    path = Path(address.removeprefix("sqlite:///"))
    return path.parent.glob(f"{path.name}*")


async def test_the_same_value_has_the_same_digest_in_one_ledger_and_another_in_another(in_file, file, tmp_path):
    """Two requests can be seen to say the same; a digest tells nothing beyond its ledger."""
    await in_file.record_snapshot(read(pending(), minute=0), at=NOW, private=PRIVATE)
    await answer(in_file, pending(), ACCEPT, minute=0)
    here = (await kept(in_file, file))[0]
    other = f"sqlite:///{tmp_path / 'other.db'}"
    elsewhere = await SqlLedger.open(other)
    await elsewhere.claim(service="http://127.0.0.1/wstest", provider=ProviderAccount(1, "us"), at=NOW)
    await elsewhere.record_snapshot(read(pending(), minute=0), at=NOW, private=PRIVATE)
    await answer(elsewhere, pending(), ACCEPT, minute=0)
    there = (await kept(elsewhere, other))[0]
    await elsewhere.close()
    assert here[2] == there[2]
    assert here[1] != there[1]


async def test_a_request_stays_the_same_one_when_its_field_becomes_private(ledger):
    """Else what was answered, and still stands in the list, would be answered a second time."""
    request = pending()
    await ledger.record_snapshot(read(request, minute=0), at=NOW)
    await answer(ledger, request, ACCEPT, minute=0)
    seen = read(request, minute=1)
    await ledger.record_snapshot(seen, at=NOW + MINUTE, private=PRIVATE)
    history = await ledger.history(seen, at=NOW + MINUTE)
    assert history.answer_states[request.key] is AnswerState.ACCEPTED
    assert list(await outcomes(ledger)) == ["connection:410221/1"]


async def test_what_was_kept_before_stays_until_it_is_masked(in_file, file):
    """A ledger is not rewritten because a policy has changed."""
    request = pending()
    await in_file.record_snapshot(read(request, minute=0), at=NOW)
    await answer(in_file, request, ACCEPT, minute=0)
    await in_file.record_snapshot(read(request, minute=1), at=NOW + MINUTE, private=PRIVATE)
    assert (await kept(in_file, file))[0][1] == ("Share KEY", SECRET)


async def test_blank_answers_stay_blank(in_file, file):
    """That nothing was filled in is no secret, and a digest of nothing would look like a value."""
    request = connection(custom=(CustomField("Share Key", " "),), source=b"")
    await in_file.record_snapshot(read(request, minute=0), at=NOW, private=PRIVATE)
    await answer(in_file, request, ACCEPT, minute=0)
    assert await kept(in_file, file) == ([("Share Key", " ")], b"")


async def test_elements_that_nobody_could_read_are_kept_without_it_too(in_file, file):
    """Nor what stands under no name, which may be any field; bytes that cannot be opened again are not kept at all."""
    strange = b'<account><customField name="share key">s3cret</customField><customField>s3cret</customField></account>'
    for number, source in enumerate((strange, b"<broken>s3cret", strange.replace(b"share key", b"Parcel"))):
        seen = snapshot()
        unread = (Unreadable(Kind.CONNECTION, f"it has no accountId {number}", source),)
        seen = replace(seen, connections=pending_list(Kind.CONNECTION, unreadable=unread))
        await in_file.record_snapshot(seen, at=NOW, private=PRIVATE)
    with closing(sqlite3.connect(file.removeprefix("sqlite:///"))) as made:
        rows = [row[0] for row in made.execute("select source from unreadable order by id")]
    assert rows[1] == b""
    assert b"s3cret" not in rows[0]
    assert rows[2].count(b"s3cret") == 1
    assert b'name="Parcel">s3cret<' in rows[2]
