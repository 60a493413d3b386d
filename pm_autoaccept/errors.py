"""Every error that the program raises on purpose.

::

    PmAutoacceptError
    ├── ConfigurationError          a setting is missing, wrong, or not allowed together with another
    ├── PolicyRefused               the policy folder has faults; all of them are listed
    ├── DocumentRefused             a document is not what Portfolio Manager sends: DOCTYPE, too large, not XML …
    ├── PortfolioManagerError       a call did not bring what was asked
    │   ├── NotAuthorised           401: the username or the password is wrong
    │   │   └── ProxyNotAuthorised  407: those of the proxy are wrong; not one byte of the request left
    │   ├── NotOurs                 403 or 404: we have no access, or it is not there
    │   ├── Refused                 another 4xx: the service understood, and says no
    │   │   ├── Invalid             400/-100: what we sent does not fit EPA's schema
    │   │   └── AlreadyFulfilled    400/-200: the pending request does not exist or has been answered
    │   ├── TooFast                 429: not processed, to be repeated later
    │   ├── Redirected              3xx: never followed
    │   ├── Transient               a GET that failed in passing: safe to repeat
    │   │   └── NotSent             not one byte of the request left: safe to repeat, also a POST
    │   └── AnswerUnknown           a POST whose fate is not known: never repeated blindly
    └── LedgerError
        ├── LedgerUnavailable       the ledger cannot be opened, read or written
        ├── AlreadyAnswered         another process has answered this request meanwhile: only its step is dropped
        ├── OverLimit               one more answer would pass a limit of the policy: only its step is dropped
        ├── Paused                  somebody has paused answering: nothing more is sent
        ├── LeaseLost               another replica has taken over this account meanwhile
        └── LedgerMismatch          the ledger belongs to another provider account, or to a newer program
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


class PmAutoacceptError(Exception):
    """The root of all errors that are raised on purpose.

    `exit_code` is what a command ends with when the error reaches it (sysexits.h where one fits).
    """

    exit_code: ClassVar[int] = 1


class ConfigurationError(PmAutoacceptError):
    """A setting is missing, wrong, or not allowed together with another."""

    exit_code = 78


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a policy: where it stands, what was expected, and the line itself.

    Attributes:
        file: the file's name in the policy folder, or the folder itself where no file is at fault.
        line: 1-based, 0 where no line is at fault.
        column: 1-based, 0 where no column is at fault.
        message: what is wrong and what to do.
        text: the line as it was written, empty where there is none.
    """

    file: str
    line: int
    column: int
    message: str
    text: str = ""

    @property
    def where(self) -> str:
        """`file:line:column`, or the file alone."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file

    def __str__(self) -> str:
        """`file:line:column: message`, with the line shown and the column marked below it."""
        shown = f"\n    {self.text}\n    {' ' * (self.column - 1)}^" if self.text else ""
        return f"{self.where}: {self.message}{shown}"


class PolicyRefused(PmAutoacceptError):
    """A policy folder has faults. Nothing is answered by it."""

    exit_code = 78

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class DocumentRefused(PmAutoacceptError):
    """A document that is not what Portfolio Manager sends, and that is not read any further."""

    exit_code = 69


class PortfolioManagerError(PmAutoacceptError):
    """A call to Portfolio Manager did not bring what was asked.

    Attributes:
        call: method and path, as `GET /account`.
        status: the HTTP status, None where no answer came.
        text: the service's own error text, or what went wrong on the way, never empty.
        retry_after: seconds for which the service asks us to call nothing, None where it does not say.
    """

    exit_code = 69

    def __init__(self, text: str, *, call: str, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(f"{call}: {text}" if status is None else f"{call}: {status}: {text}")
        self.call = call
        self.status = status
        self.text = text
        self.retry_after = retry_after


class NotAuthorised(PortfolioManagerError):
    """401: the username or the password is wrong. Never repeated at once: an account may lock.

    Attributes:
        until: when the same credentials may be tried again; None where nobody has said.
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
    """407: the proxy refused the username or the password, so nothing was sent. Says nothing of Portfolio Manager's.

    Never repeated at once either: the proxy's account may lock.
    """


class NotOurs(PortfolioManagerError):
    """403 or 404: we have no access to it, or it is not there."""


class Refused(PortfolioManagerError):
    """A 4xx of another kind: the service understood, and says no."""


class Invalid(Refused):
    """400/-100: what we sent does not fit EPA's schema. Our fault."""


class AlreadyFulfilled(Refused):
    """400/-200 "The pending request doesn't exist or has been fulfilled"."""


class TooFast(PortfolioManagerError):
    """429: the rate limit. The call was not processed."""

    def __init__(self, text: str, *, call: str, status: int | None = 429, retry_after: float | None = None) -> None:
        super().__init__(text, call=call, status=status, retry_after=retry_after)


class Redirected(PortfolioManagerError):
    """3xx: never followed, since it would carry our credentials elsewhere. Our fault, reported."""


class Transient(PortfolioManagerError):
    """A GET that failed in passing: 5xx, HTML, truncated, reset, timeout. Safe to repeat."""


class NotSent(Transient):
    """Not one byte of the request left: DNS, connection refused, TLS. Safe to repeat, also a POST."""


class AnswerUnknown(PortfolioManagerError):
    """A POST may or may not have been processed. It is settled by the rule of unknowns, never repeated blindly."""


class LedgerError(PmAutoacceptError):
    """The ledger does not do what it promises."""

    exit_code = 69


class LedgerUnavailable(LedgerError):
    """The ledger cannot be opened, read or written. Nothing is answered without it."""


class AlreadyAnswered(LedgerError):
    """The ledger knows of an answer to this request, by another process for instance. Nothing was sent."""


class OverLimit(LedgerError):
    """One more answer would pass a limit of the policy, by another process's answers for instance. Nothing was sent."""


class Paused(LedgerError):
    """Somebody has paused answering. Nothing was sent, and nothing is until somebody resumes it."""


class LeaseLost(LedgerError):
    """Another replica has taken over this account meanwhile. Nothing was written, and nothing more may be sent."""


class LedgerMismatch(LedgerError):
    """The ledger belongs to another provider account or service, or to a newer program."""

    exit_code = 78
