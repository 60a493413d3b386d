"""The identity of a request: a digest of its content, which tells whether two pending elements are the same request.

A request is identified by the service, the provider account, the kind, the id, this digest, and which occurrence of it
this is. `ledger.request_rows.match_row` decides which occurrence.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pm_autoaccept.model.requests import PendingRequest


def request_digest(request: PendingRequest) -> str:
    """The digest of a request's content: sender, created date, access level, custom fields, owner, property.

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
    return hashlib.sha256(_WRITTEN(what).encode(errors="surrogatepass")).hexdigest()


_WRITTEN = json.JSONEncoder(ensure_ascii=False).encode


def _same_moment(moment: datetime | None) -> str | None:
    """The same text for the same moment, whatever its time zone."""
    if moment is None or moment.tzinfo is None:
        return None if moment is None else moment.isoformat()
    return moment.astimezone(UTC).isoformat()
