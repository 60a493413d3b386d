"""Every exception that the program raises on purpose, with the exit code of each.

::

    PmAutoacceptError
    ├── ConfigurationError          a setting is missing, invalid, or conflicts with another
    ├── PolicyRefused               the policy folder has faults; all of them are listed
    ├── DocumentRefused             a document is not what Portfolio Manager sends: DOCTYPE, too large, not XML …
    ├── PortfolioManagerError       a call failed
    │   ├── NotAuthorised           401: wrong username or password
    │   │   └── ProxyNotAuthorised  407: wrong proxy username or password; nothing was sent to the service
    │   ├── NotOurs                 403 or 404: no access, or no such resource
    │   ├── Refused                 another 4xx: the service understood the request and refused it
    │   │   ├── Invalid             400/-100: our document does not match EPA's schema
    │   │   └── AlreadyFulfilled    400/-200: the pending request does not exist or has been answered
    │   ├── TooFast                 429: rate limit exceeded; not processed, retry later
    │   ├── Redirected              3xx: never followed
    │   ├── Transient               a GET failed temporarily: safe to retry
    │   │   └── NotSent             nothing was sent: safe to retry, even a POST
    │   └── AnswerUnknown           a POST with an unknown outcome: never retried blindly
    └── LedgerError
        ├── LedgerUnavailable       the ledger cannot be opened, read or written
        ├── AlreadyAnswered         another process has answered this request: only its step is dropped
        ├── OverLimit               one more answer would exceed a limit of the policy: only its step is dropped
        ├── Paused                  answering is paused: nothing more is sent
        ├── LeaseLost               another replica has taken over this account
        └── LedgerMismatch          the ledger belongs to another provider account, or to a newer program version
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


class PmAutoacceptError(Exception):
    """The base class of all exceptions that the program raises on purpose.

    `exit_code` is the exit code of a command that fails with this error (from sysexits.h where one fits).
    """

    exit_code: ClassVar[int] = 1


class ConfigurationError(PmAutoacceptError):
    """A setting is missing, invalid, or conflicts with another."""

    exit_code = 78


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a policy or settings file: its position, the message, and the line.

    Attributes:
        file: the file's name in the policy folder, or the folder if no single file is at fault.
        line: 1-based; 0 if no line is at fault.
        column: 1-based; 0 if no column is at fault.
        message: what is wrong and what to do.
        text: the line as it was written; "" if there is none.
    """

    file: str
    line: int
    column: int
    message: str
    text: str = ""

    @property
    def where(self) -> str:
        """`file:line:column`, or only the file."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        """`file:line:column: message`, then the line with a mark below the column."""
        shown = f"\n    {self.text}\n    {' ' * (self.column - 1)}^" if self.text else ""
        return f"{self.where}: {self.message}{shown}"


class PolicyRefused(PmAutoacceptError):
    """A policy folder has faults. The policy is not used."""

    exit_code = 78

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class DocumentRefused(PmAutoacceptError):
    """A document is not what Portfolio Manager sends, and parsing stops."""

    exit_code = 69


class PortfolioManagerError(PmAutoacceptError):
    """A call to Portfolio Manager failed.

    Attributes:
        call: method and path, for example `GET /account`.
        status: the HTTP status; None if there was no response.
        text: the service's error text, or what went wrong in transit; never empty.
        retry_after: seconds that the service asks us to wait before the next call; None if it does not say.
    """

    exit_code = 69

    def __init__(self, text: str, *, call: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(f"{call}: {text}" if status is None else f"{call}: {status}: {text}")
        self.call = call
        self.status = status
        self.text = text
        self.retry_after = retry_after


class NotAuthorised(PortfolioManagerError):
    """401: the username or the password is wrong. Never retried at once, because the account may be locked.

    Attributes:
        until: when the same credentials may be tried again; None if that is not known.
    """

    exit_code = 77

    def __init__(
        self,
        text: str,
        *,
        call: str,
        status: int | None = None,
        retry_after: float | None = None,
        until: datetime | None = None,
    ) -> None:
        super().__init__(text, call=call, status=status, retry_after=retry_after)
        self.until = until


class ProxyNotAuthorised(NotAuthorised):
    """407: the proxy refused its username or password, so nothing was sent to Portfolio Manager.

    Never retried at once either, because the proxy account may be locked.
    """


class NotOurs(PortfolioManagerError):
    """403 or 404: we have no access to the resource, or it does not exist."""


class Refused(PortfolioManagerError):
    """Another 4xx: the service understood the request and refused it."""


class Invalid(Refused):
    """400/-100: our document does not match EPA's schema. A fault of this program."""


class AlreadyFulfilled(Refused):
    """400/-200: "The pending request doesn't exist or has been fulfilled"."""


class TooFast(PortfolioManagerError):
    """429: rate limit exceeded. The call was not processed."""

    def __init__(self, text: str, *, call: str, status: int | None = 429, retry_after: float | None = None) -> None:
        super().__init__(text, call=call, status=status, retry_after=retry_after)


class Redirected(PortfolioManagerError):
    """3xx: never followed, because that would send our credentials elsewhere."""


class Transient(PortfolioManagerError):
    """A GET failed temporarily: 5xx, HTML, truncated, reset, timed out. Safe to retry."""


class NotSent(Transient):
    """Nothing was sent: DNS, connection refused, TLS. Safe to retry, even a POST."""


class AnswerUnknown(PortfolioManagerError):
    """A POST may or may not have been processed. Later reads settle its outcome; it is never retried blindly."""


class LedgerError(PmAutoacceptError):
    """An operation on the ledger failed or was refused."""

    exit_code = 69


class LedgerUnavailable(LedgerError):
    """The ledger cannot be opened, read or written. No answer is sent without it."""


class AlreadyAnswered(LedgerError):
    """The ledger already has an answer to this request, for example from another process. Nothing was sent."""


class OverLimit(LedgerError):
    """One more answer would exceed a limit of the policy. Nothing was sent."""


class Paused(LedgerError):
    """Answering is paused. Nothing was sent, and nothing will be until somebody resumes it."""


class LeaseLost(LedgerError):
    """Another replica has taken over this account. Nothing was written, and nothing more may be sent."""


class LedgerMismatch(LedgerError):
    """The ledger belongs to another provider account or service, or to a newer program version."""

    exit_code = 78
