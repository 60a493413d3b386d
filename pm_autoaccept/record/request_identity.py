"""What makes two pending elements the same request.

The rules of identity (design, "record"): a request is the service, the provider account, the kind, the id, what was
asked, and *which time*. Which time it is, `ledger.rows.current` decides.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from pm_autoaccept.model import PendingRequest


def asked(request: PendingRequest) -> str:
    """A digest of what was asked: sender, created date, access level, custom fields, owner, property.

    Two pending elements with the same kind, id and digest are the same request.
    """
    what = [
        request.account_id,
        request.sender_id,
        request.sender_username,
        _same_moment(request.requested_at),
        request.access_level,
        request.property_id,
        sorted((custom.name, custom.value) for custom in request.custom),
    ]
    return hashlib.sha256(_WRITTEN(what).encode()).hexdigest()


_WRITTEN = json.JSONEncoder(ensure_ascii=False).encode


def _same_moment(moment: datetime | None) -> str | None:
    """One text for one moment, in whichever zone it was written."""
    if moment is None or moment.tzinfo is None:
        return None if moment is None else moment.isoformat()
    return moment.astimezone(UTC).isoformat()
