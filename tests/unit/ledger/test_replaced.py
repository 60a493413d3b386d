"""A ledger that is deleted, moved, replaced or restored while it is open: nothing more is recorded as if it were there.

SQLite itself goes on writing into a file that nobody can find any more.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from pm_autoaccept.errors import LedgerError
from pm_autoaccept.ledger import Leases, SqlLedger
from pm_autoaccept.model import Action, Step
from tests.examples import NOW, connection, decided
from tests.unit.ledger.acting import ACCEPT, MINUTE, SERVICE, US, answer, see

FIRST, SECOND, THIRD = connection(1), connection(2), connection(3)
ENDINGS = ("", "-wal", "-shm")


def move(path: Path, to: Path) -> None:
    """Move a ledger with its log and index."""
    for ending in ENDINGS:
        if Path(f"{path}{ending}").exists():
            Path(f"{path}{ending}").rename(f"{to}{ending}")


def backup(path: Path, to: Path) -> None:
    """Copy as the manual says, or restore into what is there: it is the same."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)


def delete(path: Path, _copy: Path) -> None:
    """`rm ledger.db`, which leaves the log behind."""
    path.unlink()


def delete_all(path: Path, _copy: Path) -> None:
    """`rm ledger.db*`."""
    move(path, path.with_name("gone"))


def another_file(path: Path, copy: Path) -> None:
    """Renamed, and a file of something else in its place."""
    delete_all(path, copy)
    path.write_text("Dear Sir or Madam, " * 100)


def an_empty_file(path: Path, copy: Path) -> None:
    """Renamed, and `touch ledger.db`."""
    delete_all(path, copy)
    path.touch()


def emptied(path: Path, _copy: Path) -> None:
    """`: > ledger.db`."""
    os.truncate(path, 0)


def a_folder(path: Path, copy: Path) -> None:
    """What Docker makes where a file should be mounted and is none."""
    delete_all(path, copy)
    path.mkdir()


def a_pipe(path: Path, copy: Path) -> None:
    """It is not opened, which would wait for ever."""
    delete_all(path, copy)
    os.mkfifo(path)


def folder_moved(path: Path, _copy: Path) -> None:
    """The folder above it is renamed, and an empty one made."""
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.mkdir()


def older_copy_renamed(path: Path, copy: Path) -> None:
    """`mv copy.db ledger.db`, which has the same id."""
    delete_all(path, copy)
    copy.rename(path)


def older_copy_restored(path: Path, copy: Path) -> None:
    """`sqlite3 ledger.db ".restore copy.db"`: the same file, with what was in the copy."""
    backup(copy, path)


def older_copy_written_over(path: Path, copy: Path) -> None:
    """`cp copy.db ledger.db`, just when the whole log was written back into the file."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copyfile(copy, path)


def intent_deleted(path: Path, _copy: Path) -> None:
    """What is missing is noticed, however it came to be."""
    with closing(sqlite3.connect(path)) as other:
        other.execute("DELETE FROM intent")
        other.commit()


def log_deleted(path: Path, _copy: Path) -> None:
    """`rm ledger.db-wal`: what stands in it is in no file any more."""
    Path(f"{path}-wal").unlink()


def index_deleted(path: Path, _copy: Path) -> None:
    """`rm ledger.db-shm`: other processes make another one, and their writes and ours overwrite each other."""
    Path(f"{path}-shm").unlink()


def log_replaced(path: Path, copy: Path) -> None:
    """Deleted, and made anew by somebody."""
    log_deleted(path, copy)
    Path(f"{path}-wal").touch()


HAPPENINGS = (
    delete,
    delete_all,
    another_file,
    an_empty_file,
    emptied,
    a_folder,
    a_pipe,
    folder_moved,
    older_copy_renamed,
    older_copy_restored,
    older_copy_written_over,
    intent_deleted,
    log_deleted,
    index_deleted,
    log_replaced,
)


@pytest.fixture
async def path(tmp_path):
    """Where the ledger is."""
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
async def opened(path, tmp_path):
    """A ledger with one answer, of which there is a copy, and another answer since."""
    ledger = await SqlLedger.open(f"sqlite:///{path}")
    await ledger.claim(service=SERVICE, provider=US, at=NOW)
    await see(ledger, FIRST, SECOND, THIRD, minute=0)
    await answer(ledger, FIRST, ACCEPT, minute=0)
    backup(path, tmp_path / "copy.db")
    await answer(ledger, SECOND, ACCEPT, minute=1)
    yield ledger
    await ledger.close()


async def said(work: Awaitable[object]) -> str:
    """What the ledger says against it; nothing where it does it."""
    try:
        await work
    except LedgerError as error:
        return str(error)
    return ""


def intend(ledger: SqlLedger) -> Awaitable[int]:
    """Record the third answer's intent: whoever has done so sends it."""
    return ledger.record_intent(Step(decision=decided(THIRD, ACCEPT), action=Action.ACCEPT), at=NOW + 2 * MINUTE)


@pytest.mark.parametrize("happens", HAPPENINGS)
async def test_no_answer_is_recorded_where_nobody_would_find_it(opened, path, tmp_path, happens):
    """Neither now nor later, and the message says that nothing is sent; nothing is made under its name meanwhile."""
    happens(path, tmp_path / "copy.db")
    for _ in range(2):
        assert "nothing is sent" in await said(intend(opened)), "an intent was recorded in a file that is gone"
    assert path.exists() is (happens not in (delete, delete_all, folder_moved))


@pytest.mark.parametrize("happens", [delete, older_copy_renamed, older_copy_restored, log_deleted])
async def test_nothing_else_is_recorded_or_read_there_either(opened, path, tmp_path, happens):
    """Also whether somebody has paused answering is not asked of a file that is gone."""
    happens(path, tmp_path / "copy.db")
    assert "nothing is sent" in await said(see(opened, THIRD, minute=2))
    assert "nothing is sent" in await said(opened.pause_reason())


async def another_ledger(path: Path) -> None:
    """What `once` from cron makes where it finds no ledger."""
    made = await SqlLedger.open(f"sqlite:///{path}")
    await made.claim(service=SERVICE, provider=US, at=NOW)
    await see(made, FIRST, SECOND, THIRD, minute=1)
    await made.close()


@pytest.mark.parametrize("how", ["renamed", "folder", "link", "link above"])
async def test_another_ledger_in_its_place_is_told_by_its_id(tmp_path, how):
    """However it came there: another file, another folder, another end of a link."""
    path, real, other = tmp_path / "state" / "ledger.db", tmp_path / "real", tmp_path / "other"
    for folder in (real, other):
        folder.mkdir()
    if how == "link above":
        path.parent.symlink_to(real)
    else:
        path.parent.mkdir()
    if how == "link":
        path.symlink_to(real / "ledger.db")
    ledger = await SqlLedger.open(f"sqlite:///{path}")
    await ledger.claim(service=SERVICE, provider=US, at=NOW)
    await see(ledger, FIRST, SECOND, THIRD, minute=0)
    await another_ledger(other / "ledger.db")
    if how == "renamed":
        move(path, tmp_path / "gone")
        move(other / "ledger.db", path)
    elif how == "folder":
        path.parent.rename(tmp_path / "gone")
        other.rename(path.parent)
    else:
        link, to = (path.parent, other) if how == "link above" else (path, other / "ledger.db")
        link.unlink()
        link.symlink_to(to)
    told = await said(intend(ledger))
    await ledger.close()
    assert "another ledger" in told, "an intent was recorded in a file that is gone"


async def test_it_goes_on_when_the_file_is_back(opened, path, tmp_path):
    """What was moved away by mistake is moved back; nobody need start anything again."""
    move(path, tmp_path / "gone")
    assert "deleted or moved away" in await said(intend(opened))
    move(tmp_path / "gone", path)
    assert await said(intend(opened)) == ""


async def test_the_same_ledger_in_another_file_is_opened(opened, path, tmp_path):
    """A copy that knows all that we have recorded is this ledger; what is recorded then is in it."""
    backup(path, tmp_path / "moved.db")
    delete_all(path, path)
    (tmp_path / "moved.db").rename(path)
    intent = await intend(opened)
    with closing(sqlite3.connect(path)) as looked_at:
        found = looked_at.execute("SELECT action FROM intent WHERE id = ?", (intent,)).fetchall()
    assert found == [("Accept",)], "an intent was recorded in a file that is gone"


async def test_what_happens_to_every_ledger_is_no_failure(opened, path, tmp_path):
    """Another process writes, writes the log back, rewrites the file; a mode, a second name, an intent taken back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE request SET outcome_text = 'x'")
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert await said(see(opened, THIRD, minute=2)) == ""
        other.execute("VACUUM")
    path.chmod(0o640)
    (tmp_path / "another-name").hardlink_to(path)
    number = await intend(opened)
    await opened.withdraw_intent(number)
    assert await said(intend(opened)) == ""


@pytest.mark.parametrize("ledger_address", ["sqlite", "postgresql"], indirect=True)
async def test_a_ledger_that_has_forgotten_our_lease_is_an_older_copy(ledger, ledger_address):
    """Before anything was answered it is known by the lease: another replica's is later than ours, never earlier."""
    leases = Leases(ledger.database, holder="us", ttl=10 * MINUTE)
    ledger.held_lease = await leases.take("default")
    await see(ledger, FIRST, minute=0)
    forgets = "DELETE FROM lease"
    if ledger_address.startswith("sqlite"):
        with closing(sqlite3.connect(ledger_address.removeprefix("sqlite:///"))) as other:
            other.execute(forgets)
            other.commit()
    else:
        with psycopg.connect(ledger_address) as other:
            other.execute(forgets)
    assert "older copy" in await said(see(ledger, FIRST, minute=1))
    assert "older copy" in await said(leases.renew(ledger.held_lease))


@pytest.mark.parametrize("ledger_address", ["postgresql"], indirect=True)
@pytest.mark.parametrize("forgets", ["DELETE FROM intent", "UPDATE intent SET intended_at = now()"])
async def test_a_database_that_was_restored_is_noticed_by_the_intent_that_it_lacks(ledger, ledger_address, forgets):
    """Also where another process has given its number to another answer since."""
    await see(ledger, FIRST, THIRD, minute=0)
    await answer(ledger, FIRST, ACCEPT, minute=0)
    with psycopg.connect(ledger_address) as other:
        other.execute(forgets)
    assert "nothing is sent" in await said(intend(ledger))
