"""What the simulator says no with: status, application error number, and the exact text (docs/protocol.md#errors)."""

from __future__ import annotations

from pm_autoaccept.model import Kind
from pm_autoaccept.simulator.unconfirmed import Inferred


class Refusal(Exception):
    """A call that is answered with an error instead of being processed. Nothing has changed.

    Attributes:
        status: the HTTP status.
        text: errorDescription.
        number: errorNumber: -100 where the XML does not fit the schema, else -200 (docs/protocol.md#errors).
    """

    def __init__(self, status: int, text: str, number: int = -200) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.number = number


def fulfilled() -> Refusal:
    """Nothing pends under this id, or no longer: the normal end of a race (docs/protocol.md#errors)."""
    return Refusal(400, "The pending request doesn't exist or has been fulfilled")


def access_denied() -> Refusal:
    """The caller has no access to that data."""
    return Refusal(403, "Access Denied")


def not_found() -> Refusal:
    """There is no such resource."""
    return Refusal(404, "Not Found")


def unauthorised() -> Refusal:
    """The credentials are missing or wrong."""
    return Refusal(401, "Unauthorized")


def never_asked(inferred: Inferred) -> Refusal:
    """An answer to an id that nobody ever asked about (docs/protocol.md#unknown-id)."""
    return {"fulfilled": fulfilled, "not_found": not_found, "forbidden": access_denied}[inferred.unknown_pending_id]()


def not_connected(inferred: Inferred) -> Refusal:
    """A disconnect where there is no connection (docs/protocol.md#errors)."""
    if inferred.not_connected == "refused":
        return Refusal(400, "You are not connected to this account")
    return access_denied() if inferred.not_connected == "forbidden" else not_found()


def not_shared(inferred: Inferred) -> Refusal:
    """A property or meter that is not shared with the caller (docs/protocol.md#errors)."""
    return access_denied() if inferred.not_shared == "forbidden" else not_found()


def still_pending(kind: Kind) -> Refusal:
    """A request is repeated while one pends (docs/protocol.md#customer-services)."""
    return Refusal(400, f"A {kind} request is already pending")


def invalid(text: str) -> Refusal:
    """What came does not fit EPA's schema (docs/protocol.md#errors)."""
    return Refusal(400, text, -100)
