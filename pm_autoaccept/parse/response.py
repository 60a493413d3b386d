"""The `response` envelope: Ok or Error, its errors and its links (reference §2.2)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pm_autoaccept.parse.document import Element, attribute, children, open_document
from pm_autoaccept.parse.reading import Unread, read_id


@dataclass(frozen=True, slots=True)
class ServiceError:
    """One `error`: `number` is -100 (does not fit the schema) or -200 (anything else), None where unreadable."""

    number: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One `link`, each attribute as it was written, None where absent."""

    id: str | None
    description: str | None
    link: str | None
    hint: str | None

    @property
    def leads_on(self) -> bool:
        """Whether it is the "next page" link, whatever its case and blanks (reference §7)."""
        return " ".join((self.description or "").split()).casefold() == "next page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A `response`. `ok` only if its status is exactly "Ok" and it names no error."""

    ok: bool
    errors: tuple[ServiceError, ...] = ()
    links: tuple[Link, ...] = ()
    status: str | None = field(default=None, compare=False)
    """As it was written, None where absent."""

    @property
    def says_no(self) -> bool:
        """Whether it says so in both ways: its status is exactly "Error", and it names an error."""
        return self.status == "Error" and bool(self.errors)


def parse_response(body: bytes) -> Response:
    """Reads a `response`.

    Raises:
        DocumentRefused: it is something else.
    """
    root = open_document(body, "response")
    status = attribute(root, "status")
    errors = tuple(_error(error) for group in children(root, "errors") for error in children(group, "error"))
    return Response(ok=status == "Ok" and not errors, errors=errors, links=read_links(root), status=status)


def read_links(root: Element) -> tuple[Link, ...]:
    """The links of a `response` or a `pendingList`, none where there is no `links` or an empty one."""
    return tuple(
        Link(
            id=attribute(link, "id"),
            description=attribute(link, "linkDescription"),
            link=attribute(link, "link"),
            hint=attribute(link, "hint"),
        )
        for group in children(root, "links")
        for link in children(group, "link")
    )


def _error(error: Element) -> ServiceError:
    try:
        number = read_id(attribute(error, "errorNumber") or "")
    except Unread:
        number = None
    return ServiceError(number, attribute(error, "errorDescription") or "")
