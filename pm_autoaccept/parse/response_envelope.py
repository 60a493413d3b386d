"""The `response` envelope: Ok or Error, its errors and its links (docs/protocol.md#response)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from pm_autoaccept.errors import DocumentRefused
from pm_autoaccept.parse.document import Element, attribute, children, open_document
from pm_autoaccept.parse.element_reader import UnreadableText, read_id
from pm_autoaccept.parse.forbidden_characters import MARK, shown


@dataclass(frozen=True, slots=True)
class ServiceError:
    """One `error`: `number` is -100 (does not fit the schema) or -200 (anything else), None if unreadable."""

    number: int | None
    text: str


class Link(NamedTuple):
    """One `link`; attributes as written, None where absent. A list of customers has a hundred thousand."""

    id: str | None
    description: str | None
    link: str | None
    hint: str | None

    @property
    def is_next_page(self) -> bool:
        """Whether it is the "next page" link, ignoring case and blanks (docs/protocol.md#paging)."""
        written = self.description or ""
        # Few descriptions end like it, and taking one apart takes longer.
        return written.rstrip()[-4:].casefold() == "page" and " ".join(written.split()).casefold() == "next page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A `response`. It is `ok` only if its status is exactly "Ok" and it contains no error."""

    ok: bool
    errors: tuple[ServiceError, ...] = ()
    links: tuple[Link, ...] = ()
    status: str | None = field(default=None, compare=False)
    """As written, None if absent."""

    @property
    def is_error(self) -> bool:
        """Whether it is certainly an error: its status is exactly "Error" and it contains an error."""
        return self.status == "Error" and bool(self.errors)


MAX_REMEMBERED_BYTES = 500
"""The maximum size of a document whose `Response` is remembered: nearly every reply to an answer has the same bytes."""


def parse_response(body: bytes) -> Response:
    """Parse a `response`.

    Raises:
        DocumentRefused: it is something else.
    """
    return _parse_remembered(body) if len(body) <= MAX_REMEMBERED_BYTES else _parse(body)


def _parse(body: bytes) -> Response:
    return read_response(open_document(body, "response"))


_parse_remembered = lru_cache(maxsize=64)(_parse)


def read_response(root: Element) -> Response:
    """Parse a `response` from its root element."""
    status = attribute(root, "status")
    errors = tuple(_error(error) for group in children(root, "errors") for error in children(group, "error"))
    return Response(ok=status == "Ok" and not errors, errors=errors, links=read_links(root), status=status)


def read_links(root: Element) -> tuple[Link, ...]:
    """The links of a `response` or `pendingList`; empty if `links` is missing or empty.

    Raises:
        DocumentRefused: it is uncertain whether one of them is the "next page" link.
    """
    return tuple(_link(link) for group in children(root, "links") for link in children(group, "link"))


def _link(link: Element) -> Link:
    description = link.get("linkDescription")
    if description is not None and MARK in description:
        raise DocumentRefused(
            f"a link with a character that XML does not allow in its description: {shown(description)!r:.80}"
        )
    return Link(attribute(link, "id"), description, attribute(link, "link"), attribute(link, "hint"))


def _error(error: Element) -> ServiceError:
    try:
        number = read_id(attribute(error, "errorNumber") or "")
    except UnreadableText:
        number = None
    return ServiceError(number, attribute(error, "errorDescription") or "")
