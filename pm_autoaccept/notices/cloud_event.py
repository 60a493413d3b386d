"""The body of a webhook: a CloudEvents 1.0 event in JSON, without personal data unless the target asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from urllib.parse import quote

from pm_autoaccept.model import Outgoing

CONTENT_TYPE = "application/cloudevents+json"
_TYPE_PREFIX = "pm-autoaccept."
_PERSONAL = frozenset({"username", "custom", "people"})
"""The keys that hold names and customer input. The outbox adds them only if a target asks for them; this is a second
check, because what has left cannot be taken back."""


def cloud_event(notice: Outgoing, *, personal: bool) -> str:
    """The event as JSON. It is ASCII: no character in it controls a terminal, a log or a display."""
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": notice.event_id,
        "source": f"/pm-autoaccept/{quote(notice.account, safe='')}",
        "type": f"{_TYPE_PREFIX}{notice.kind}",
        "time": notice.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": dict(notice.body) if personal else without_personal(notice.body),
    }
    about = notice.body.get("request") or notice.body.get("subject")
    if isinstance(about, Mapping) and about.get("key"):
        event["subject"] = str(about["key"])
    return json.dumps(event, separators=(",", ":"))


def without_personal(value: object) -> object:
    """The JSON value without names and customer input, at any depth."""
    if isinstance(value, Mapping):
        return {key: without_personal(each) for key, each in value.items() if key not in _PERSONAL}
    if isinstance(value, list | tuple):
        return [without_personal(each) for each in value]
    return value
