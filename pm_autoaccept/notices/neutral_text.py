"""Makes text from outside harmless in mail and chat: it starts no line, no link, no mention and no mark-up.

Customers choose account names, property names and custom fields. A name may try to end a mail's subject and add a
header, to alert everybody in a chat room, to hide a link, or to turn the rest of a line around.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control and format characters (also those that change direction), surrogates, unassigned and line separators."""
_MARKS_IN_A_ROW = 2
"""More combining marks on one character cover the lines around it."""
MAX_VALUE_CHARACTERS = 200
MAX_SUBJECT_CHARACTERS = 120

_CUT = "…"


class Channel(StrEnum):
    """How people read a message."""

    MAIL = "mail"
    CHAT = "chat"


_SAME_IN_CHAT = str.maketrans(
    {
        "<": "‹",
        ">": "›",
        "&": "＆",
        "@": "＠",
        "#": "＃",
        "*": "∗",
        "_": "＿",
        "~": "∼",
        "`": "ˋ",
        "|": "¦",
        "[": "［",
        "]": "］",
        "\\": "＼",
        "!": "ǃ",
    }
)
"""Characters with which chat systems write mentions, links, entities and styles → characters that look alike."""
_LINK = re.compile(r"(?<=:)/(?=/)|(?<=\w)[.。．｡](?=[^\W\d])")
"""What mail and chat programs take for a link: `//` after a colon, and a full stop before a letter, as in a host."""
_LINK_SAME = {"/": "⁄"}
_DOT = "․"


def neutral(text: object, channel: Channel, *, limit: int = MAX_VALUE_CHARACTERS) -> str:
    """The text on one line, without invisible characters, links and, in chat, mentions and mark-up."""
    plain = one_line(text, limit=limit)
    plain = _LINK.sub(lambda found: _LINK_SAME.get(found[0], _DOT), plain)
    return plain.translate(_SAME_IN_CHAT) if channel is Channel.CHAT else plain


def one_line(text: object, *, limit: int) -> str:
    """The text on one line, without invisible characters, and cut to a number of characters."""
    kept: list[str] = []
    marks = 0
    # Only the beginning is looked at: a text may be very long.
    for char in str(text)[: 4 * limit]:
        category = unicodedata.category(char)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if marks <= _MARKS_IN_A_ROW:
            kept.append(" " if category in _INVISIBLE else char)
    line = " ".join("".join(kept).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + _CUT
