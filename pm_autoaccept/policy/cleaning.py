"""How texts are made comparable: what is always done, and what `clean` asks for."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pm_autoaccept.errors import Fault
from pm_autoaccept.policy.messages import listed, perhaps
from pm_autoaccept.policy.parser.source_text import Broken, Items, Node, Text

_SURROGATES = re.compile("[\ud800-\udfff]")
_UNSEEN = re.compile(
    "[\x80-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Unicode's Default_Ignorable_Code_Point, which its NFKC_Casefold drops too; the C1 controls but for NEL, a blank; and
the Braille pattern without a dot. Whoever looks at a text sees none of these, so nobody could see why it is another."""
_WRITTEN = re.compile(r"(\S+)(?: +(\S+))?")
POINTS = ".,\N{MIDDLE DOT}\N{ARABIC DECIMAL SEPARATOR}\N{DECIMAL SEPARATOR KEY SYMBOL}"
"""What separates the decimal part of a number, in one country or another."""
_NO_POINTS = str.maketrans("", "", POINTS)
_NO_DIGITS = bytes(set(range(256)) - set(b"0123456789"))
_COUNT = re.compile(r"[1-9][0-9]{0,2}")


def fold(text: str) -> str:
    """The text without outer blanks and all that cannot be seen, NFKC-folded, every dash a hyphen.

    What is no character at all becomes U+FFFD.
    """
    if text.isascii():
        return text.strip()
    folded = unicodedata.normalize("NFKC", _UNSEEN.sub("", _SURROGATES.sub("\ufffd", text)))
    return "".join("-" if _is_dash(character) else character for character in folded).strip()


def _is_dash(character: str) -> bool:
    return character == "\u2212" or unicodedata.category(character) == "Pd"


def _zero_fill(text: str, count: int) -> str:
    # What is blank stays blank: zeros made from nothing would match somebody's number.
    return text.rjust(count, "0") if text else ""


Change = Callable[[str, int], str]

_PLAIN: Mapping[str, Change] = MappingProxyType(
    {
        "points": lambda text, _: text.translate(_NO_POINTS),
        "digits": lambda text, _: text.encode("ascii", "ignore").translate(None, _NO_DIGITS).decode(),
        "letters_digits": lambda text, _: "".join(filter(str.isalnum, text)),
        "no_spaces": lambda text, _: "".join(text.split()),
        "no_leading_zeros": lambda text, _: text.lstrip("0"),
        "fold_case": lambda text, _: text.casefold(),
    }
)
_COUNTED: Mapping[str, Change] = MappingProxyType(
    {
        "first": lambda text, count: text[:count],
        "last": lambda text, count: text[-count:],
        "zero_fill": _zero_fill,
    }
)
CLEANINGS = (*_PLAIN, *(f"{name} N" for name in _COUNTED))
"""The names of all cleanings, for messages and for the reference."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """One step of cleaning: its name, and its count where it has one (otherwise 0)."""

    name: str
    count: int = 0

    @property
    def change(self) -> Change:
        """What it does to a text, given its count."""
        return _COUNTED[self.name] if self.count else _PLAIN[self.name]

    @property
    def written(self) -> str:
        """As policies write it."""
        return f"{self.name} {self.count}" if self.count else self.name


def cleaner(cleanings: tuple[Cleaning, ...]) -> Callable[[str], str]:
    """What makes of a folded text what is left after each cleaning in order; empty where nothing is."""
    changes = tuple((cleaning.change, cleaning.count) for cleaning in cleanings)
    if len(changes) == 1:
        ((change, count),) = changes
        return lambda text: change(text, count).strip()

    def clean(text: str) -> str:
        for change, count in changes:
            text = change(text, count).strip()
        return text

    return clean


def cleaned(text: str, cleanings: tuple[Cleaning, ...]) -> str:
    """The folded text after each cleaning in order; empty where nothing is left."""
    return cleaner(cleanings)(fold(text)) if cleanings else fold(text)


def read_cleanings(node: Node, faults: list[Fault]) -> tuple[Cleaning, ...]:
    """What stands after `clean:`: one cleaning or a list of them."""
    parts = node.items if isinstance(node, Items) else (node,)
    read = (_read_one(part, faults) for part in parts)
    return tuple(cleaning for cleaning in read if cleaning is not None)


def _read_one(node: Node, faults: list[Fault]) -> Cleaning | None:
    if isinstance(node, Broken):
        return None
    written = _WRITTEN.fullmatch(node.value) if isinstance(node, Text) else None
    if written is None:
        faults.append(node.place.fault(f"`clean` is one of {listed(CLEANINGS)}, or a list of them"))
        return None
    name, count = written.groups()
    if name in _PLAIN and count is None:
        return Cleaning(name)
    if name in _COUNTED and count is not None and _COUNT.fullmatch(count):
        return Cleaning(name, int(count))
    if name in _COUNTED:
        faults.append(node.place.fault(f"`{name}` needs a number from 1 to 999, as `{name} 4`"))
    elif name in _PLAIN:
        faults.append(node.place.fault(f"`{name}` stands alone; several cleanings are a list: [{name}, fold_case]"))
    else:
        known = (*_PLAIN, *_COUNTED)
        faults.append(
            node.place.fault(f"there is no cleaning `{name}`{perhaps(name, known)}; there are {listed(CLEANINGS)}")
        )
    return None
