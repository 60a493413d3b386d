"""Replaces characters that XML 1.0 forbids with a marker, so that one bad character does not block a whole list.

A customer can type a vertical tab into a name, and a service can pass it on, raw or as `&#11;`. A recovering parser
would silently change other text. So only these characters are replaced, and the result is parsed strictly. The marker
is allowed only in text and attribute values; in a tag or an entity it is a fault.
"""

from __future__ import annotations

import codecs
import re

from pm_autoaccept.model import REPLACEMENT_CHARACTER

MARK = "\ufdd0"
"""Replaces a forbidden character. Unicode reserves it for internal use, so no customer types it."""
MAX_FORBIDDEN = 100_000
"""The maximum number of forbidden characters, or of character references, in a document."""

_MARK_BYTES = MARK.encode()
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# An unterminated token runs to the end of the document, so that each character is scanned once.
_TOKENS = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)|&#(?:[0-9]+|x[0-9A-Fa-f]+);", re.DOTALL
)
_MAX_DIGITS = 7
"""The maximum number of digits in a valid character reference."""

_SIGNATURES = (
    (codecs.BOM_UTF8, b"", "utf-8"),
    (codecs.BOM_UTF32_LE, b"", "utf-32-le"),
    (codecs.BOM_UTF32_BE, b"", "utf-32-be"),
    (codecs.BOM_UTF16_LE, b"", "utf-16-le"),
    (codecs.BOM_UTF16_BE, b"", "utf-16-be"),
    (b"", "<".encode("utf-32-le"), "utf-32-le"),
    (b"", "<".encode("utf-32-be"), "utf-32-be"),
    (b"", "<?".encode("utf-16-le"), "utf-16-le"),
    (b"", "<?".encode("utf-16-be"), "utf-16-be"),
)
"""Byte order mark, or first bytes without one → encoding, regardless of the declaration (XML 1.0, appendix F)."""
_DECLARED = re.compile(rb"""<\?xml\s[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']""")
_OF_ONE_BYTE = re.compile(r"ascii|iso8859-[0-9]+|cp125[0-8]")


def marked(body: bytes) -> bytes | None:
    """The document in UTF-8 with the marker in place of each forbidden character.

    None if there is none, or too many, or if the document does not have the encoding that it declares.
    """
    text = _decoded(body)
    if text is None or text.count("&#") > MAX_FORBIDDEN:
        return None
    replaced, count = _FORBIDDEN.subn(MARK, text, count=MAX_FORBIDDEN)
    found = _TOKENS.sub(_token, replaced)
    return None if found == text or count == MAX_FORBIDDEN else found.encode()


def is_marked(own: bytes) -> bool:
    """Whether these bytes of an element contain the marker."""
    return _MARK_BYTES in own


def shown(text: str) -> str:
    """The text as people see it."""
    return text.replace(MARK, REPLACEMENT_CHARACTER)


def _token(token: re.Match[str]) -> str:
    """A comment, processing instruction, CDATA section or character reference, with the marker where needed."""
    text = token[0]
    if text.startswith("&"):
        return MARK if _names_none(text[2:-1]) else text
    # Parsers drop comments and processing instructions, so the marker goes into the text before them.
    return MARK + text if MARK in text and not text.startswith("<![CDATA[") else text


def _names_none(number: str) -> bool:
    """Whether a character reference names a character that XML forbids."""
    digits, radix = (number[1:], 16) if number.startswith("x") else (number, 10)
    digits = digits.lstrip("0") or "0"
    if len(digits) > _MAX_DIGITS:
        return True
    code = int(digits, radix)
    return code > 0x10FFFF or _FORBIDDEN.match(chr(code)) is not None  # noqa: PLR2004 - where Unicode ends


def _decoded(body: bytes) -> str | None:
    """The document's text without its byte order mark, including lone surrogates; None if it cannot be decoded."""
    for mark, beginning, encoding in _SIGNATURES:
        if body.startswith(mark + beginning):
            return _read(body.removeprefix(mark), encoding)
    declared = _DECLARED.match(body)
    return _read(body, "utf-8" if declared is None else declared[1].decode())


def _read(body: bytes, encoding: str) -> str | None:
    try:
        name = codecs.lookup(encoding).name
        # Other encodings can disguise markup as text or text as markup; Portfolio Manager does not need them.
        if name.startswith("utf-") and name != "utf-7":
            return body.decode(name, "surrogatepass")
        return body.decode(name) if _OF_ONE_BYTE.fullmatch(name) else None
    except (LookupError, UnicodeDecodeError):
        return None
