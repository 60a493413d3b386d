"""Promise 3, with a ledger whose file is copied, moved, replaced, restored and worked on by others, in any order."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import strategies as st

from pm_autoaccept.errors import LedgerError, LedgerUnavailable
from pm_autoaccept.ledger import SqlLedger
from pm_autoaccept.model import Action, Step
from tests.examples import NOW, connection, decided
from tests.forms import short_and_long
from tests.property.budget import asked_for, try_stories
from tests.unit.ledger.acting import ACCEPT, SERVICE, US, see
from tests.unit.ledger.test_replaced import ENDINGS, backup, move

ANSWERS = 30


class Files:
    """The ledger's file, and what people do with it; each returns at once where it cannot be done."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"
        self.copy, self.aside = folder / "copy.db", folder / "aside.db"

    def copied(self) -> None:
        """By the manual."""
        self.copy.unlink(missing_ok=True)
        backup(self.path, self.copy)

    def deleted(self) -> None:
        """The file alone."""
        self.path.unlink()

    def moved_away(self) -> None:
        """With its log."""
        move(self.path, self.aside)

    def moved_back(self) -> None:
        """From where it was moved."""
        if self.aside.exists() and not self.path.exists():
            move(self.aside, self.path)

    def copy_renamed_over_it(self) -> None:
        """While its log lies there, as when people forget it."""
        shutil.copyfile(self.copy, self.copy.with_suffix(".new"))
        self.copy.with_suffix(".new").rename(self.path)

    def copy_put_in_its_place(self) -> None:
        """By the manual, but for the program that was not stopped."""
        for ending in ENDINGS:
            Path(f"{self.path}{ending}").unlink(missing_ok=True)
        shutil.copyfile(self.copy, self.path)

    def copy_restored_into_it(self) -> None:
        """`.restore`."""
        if self.path.exists() and self.copy.exists():
            backup(self.copy, self.path)

    def another_made(self) -> None:
        """By `once`, where there is none."""
        if not self.path.exists():
            asyncio.run(_made(self.path))

    def log_written_back(self) -> None:
        """By another process."""
        if self.path.exists():
            with closing(sqlite3.connect(self.path)) as other:
                other.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def log_deleted(self) -> None:
        """Under the program."""
        Path(f"{self.path}-wal").unlink()

    def worked_on(self) -> None:
        """By another process."""
        if self.path.exists():
            with closing(sqlite3.connect(self.path)) as other:
                other.execute("UPDATE request SET outcome_text = outcome_text || 'x'")
                other.commit()

    def knows(self) -> set[int]:
        """The intents that another process finds in the ledger now."""
        if not self.path.exists():
            return set()
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as other:
            return {
                number
                for (number,) in other.execute("SELECT pm_id FROM request JOIN intent ON request_id = request.id")
            }


async def _made(path: Path) -> None:
    await (await SqlLedger.open(f"sqlite:///{path}")).close()


HAPPENINGS: tuple[Callable[[Files], None], ...] = (
    Files.copied,
    Files.deleted,
    Files.moved_away,
    Files.moved_back,
    Files.copy_renamed_over_it,
    Files.copy_put_in_its_place,
    Files.copy_restored_into_it,
    Files.another_made,
    Files.log_written_back,
    Files.log_deleted,
    Files.worked_on,
)
HARMLESS = (Files.copied, Files.log_written_back, Files.worked_on)
stories = st.lists(st.none() | st.sampled_from(HAPPENINGS), min_size=2, max_size=12)
"""None: something is answered."""


@short_and_long(20, 60)
def test_whatever_happens_to_its_file_each_answer_stands_in_the_ledger_that_people_find(tell, tries):
    """An intent that was recorded is found by another process, and with it each one that was recorded before.

    Where nothing but what is usual has happened, each can be recorded.
    """
    met: Counter[str] = Counter()

    def holds(story: list[Callable[[Files], None] | None]) -> None:
        with TemporaryDirectory() as folder:
            asyncio.run(_live(Files(Path(folder)), story, met))

    try_stories(holds, stories, stories=asked_for(tries))
    for what, count in met.items():
        tell(f"the ledger is still there: {what}: {count}")
    assert min(met.values()) >= 0.05 * met["stories"], met


async def _live(files: Files, story: list[Callable[[Files], None] | None], met: Counter[str]) -> None:
    ledger = await SqlLedger.open(f"sqlite:///{files.path}")
    await ledger.claim(service=SERVICE, provider=US, at=NOW)
    await see(ledger, *(connection(number) for number in range(1, ANSWERS)), minute=0)
    recorded: set[int] = set()
    refused = False
    for number, happens in enumerate([*story, None], start=1):
        if happens is not None:
            try:
                await asyncio.to_thread(happens, files)
            except (OSError, sqlite3.Error, LedgerError):
                continue  # it cannot be done with what is there
            continue
        step = Step(decision=decided(connection(number), ACCEPT), action=Action.ACCEPT)
        try:
            await ledger.record_intent(step, at=NOW + timedelta(minutes=number))
        except LedgerUnavailable:
            assert set(story) - {None, *HARMLESS}, "it was refused, and nothing had happened"
            refused = True
            continue
        recorded.add(number)
        lost = recorded - files.knows()
        assert not lost, f"recorded, and found by nobody: {lost}"
    met["stories"] += 1
    met["refused"] += refused
    met["answered"] += bool(recorded)
    await ledger.close()
