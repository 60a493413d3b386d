"""The `response` envelope: Ok or Error, its errors and its links (docs/protocol.md#response)."""

from __future__ import annotations

from dataclasses import dataclass, field

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.parse.document import Element, attribute, children, open_document
from pm_autoaccept.parse.element_reader import Unread, read_id
from pm_autoaccept.parse.forbidden_characters import MARK


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
        """Whether it is the "next page" link, whatever its case and blanks (docs/protocol.md#paging)."""
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
    return read_response(open_document(body, "response"))


def read_response(root: Element) -> Response:
    """A `response` that has been opened."""
    status = attribute(root, "status")
    errors = tuple(_error(error) for group in children(root, "errors") for error in children(group, "error"))
    return Response(ok=status == "Ok" and not errors, errors=errors, links=read_links(root), status=status)


def read_links(root: Element) -> tuple[Link, ...]:
    """The links of a `response` or a `pendingList`, none where there is no `links` or an empty one.

    Raises:
        DocumentRefused: of one of them it is not certain whether it leads on.
    """
    return tuple(_link(link) for group in children(root, "links") for link in children(group, "link"))


def _link(link: Element) -> Link:
    description = attribute(link, "linkDescription")
    if MARK in link.get("linkDescription", ""):
        raise DocumentRefused(f"a link with a character that XML forbids in its description: {description!r:.80}")
    return Link(
        id=attribute(link, "id"),
        description=description,
        link=attribute(link, "link"),
        hint=attribute(link, "hint"),
    )


def _error(error: Element) -> ServiceError:
    try:
        number = read_id(attribute(error, "errorNumber") or "")
    except Unread:
        number = None
    return ServiceError(number, attribute(error, "errorDescription") or "")
