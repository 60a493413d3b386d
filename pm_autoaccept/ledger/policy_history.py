"""Policy history: records which policy revision came into force or was refused, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, select

from pm_autoaccept import __version__
from pm_autoaccept.ledger.db.tables import policy_revision as revision_table
from pm_autoaccept.ledger.db.tables import provider as provider_table
from pm_autoaccept.model import PolicyRevision
from pm_autoaccept.record import RevisionRow


def record_revision(connection: Connection, provider: int, revision: PolicyRevision, *, at: datetime) -> bool:
    """Append a revision; False if the last one already says the same, for example after a restart."""
    table = revision_table.c
    last = connection.execute(
        select(table.digest, table.refused).where(table.provider_id == provider).order_by(table.id.desc()).limit(1)
    ).first()
    if last is not None and (last.digest, last.refused) == (revision.digest, revision.refused):
        return False
    connection.execute(
        revision_table.insert().values(
            provider_id=provider,
            at=at,
            digest=revision.digest,
            rules=revision.rules,
            refused=revision.refused,
            files=dict(revision.files),
            program=__version__,
        )
    )
    return True


def list_revisions(connection: Connection, *, account: str | None = None) -> Iterator[RevisionRow]:
    """Yield every revision of the account with this name, or of all accounts, oldest first."""
    query = (
        select(revision_table, provider_table.c.name)
        .join(provider_table, provider_table.c.id == revision_table.c.provider_id)
        .order_by(revision_table.c.id)
    )
    if account is not None:
        query = query.where(provider_table.c.name == account)
    for row in connection.execute(query):
        yield RevisionRow(
            account=row.name,
            at=row.at,
            digest=row.digest,
            rules=row.rules,
            refused=row.refused,
            files=row.files,
            program=row.program,
        )
