"""Characters that XML 1.0 forbids: each is replaced by one marker, so that one of them does not stop a whole list.

A customer can type a vertical tab into a name, and a service can pass it on, raw or as `&#11;`. A recovering parser
would read on and change other text without a word. So only those characters are replaced, and what comes out is parsed
strictly. The marker is allowed in text and attribute values and nowhere else: in a tag or an entity it is a fault.
"""

from __future__ import annotations

import codecs
import re

from pm_autoaccept.model import REPLACEMENT_CHARACTER

MARK = "\ufdd0"
"""Stands for a forbidden character. Unicode reserves it for use within a program, so that no customer types it."""
MOST = 100_000
"""As many forbidden characters, or character references, no document has that customers filled."""

_MARK_BYTES = MARK.encode()
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What does not end runs to the end of the document, so that each character is looked at once.
_TOKENS = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)|<\?.*?(?:\?>|\Z)|&#(?:[0-9]+|x[0-9A-Fa-f]+);", re.DOTALL
)
_MOST_DIGITS = 7
"""Of a character reference that names a character at all."""

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
"""A byte order mark, or how a document without one begins → its encoding, whatever it declares (XML 1.0, app. F)."""
_DECLARED = re.compile(rb"""<\?xml\s[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,40})["']""")
_OF_ONE_BYTE = re.compile(r"ascii|iso8859-[0-9]+|cp125[0-8]")


def marked(body: bytes) -> bytes | None:
    """The document in UTF-8 with the marker in place of each forbidden character.

    None where there is none, or too many, or where it is not in the encoding that it declares.
    """
    text = _decoded(body)
    if text is None or text.count("&#") > MOST:
        return None
    replaced, count = _FORBIDDEN.subn(MARK, text, count=MOST)
    found = _TOKENS.sub(_token, replaced)
    return None if found == text or count == MOST else found.encode()


def is_marked(own: bytes) -> bool:
    """Whether the marker stands in these bytes of an element."""
    return _MARK_BYTES in own


def shown(text: str) -> str:
    """The text as people see it."""
    return text.replace(MARK, REPLACEMENT_CHARACTER)


def _token(token: re.Match[str]) -> str:
    """A comment, an instruction, CDATA or a character reference, with the marker where it is due."""
    text = token[0]
    if text.startswith("&"):
        return MARK if _names_none(text[2:-1]) else text
    # No parser hands on a comment or an instruction, so the marker goes before it, into the text where it stands.
    return MARK + text if MARK in text and not text.startswith("<![CDATA[") else text


def _names_none(number: str) -> bool:
    """Whether a character reference names no character that XML allows."""
    digits, radix = (number[1:], 16) if number.startswith("x") else (number, 10)
    digits = digits.lstrip("0") or "0"
    if len(digits) > _MOST_DIGITS:
        return True
    code = int(digits, radix)
    return code > 0x10FFFF or _FORBIDDEN.match(chr(code)) is not None  # noqa: PLR2004 - where Unicode ends


def _decoded(body: bytes) -> str | None:
    """The document's text without its byte order mark, lone surrogates included; None where it cannot be read."""
    for mark, beginning, encoding in _SIGNATURES:
        if body.startswith(mark + beginning):
            return _read(body.removeprefix(mark), encoding)
    declared = _DECLARED.match(body)
    return _read(body, "utf-8" if declared is None else declared[1].decode())


def _read(body: bytes, encoding: str) -> str | None:
    try:
        name = codecs.lookup(encoding).name
        # Others turn markup into text or text into markup; Portfolio Manager has no use for them.
        if name.startswith("utf-") and name != "utf-7":
            return body.decode(name, "surrogatepass")
        return body.decode(name) if _OF_ONE_BYTE.fullmatch(name) else None
    except (LookupError, UnicodeDecodeError):
        return None
