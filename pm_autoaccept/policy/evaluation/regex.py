"""Whether a text matches a pattern: RE2 is asked only of texts that the pattern may match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import re2

_COMPARED = 10
"""Characters that are compared before RE2 is asked: most patterns begin with fewer that they insist on."""


def holding(pattern: Any) -> Callable[[str, object], bool]:  # noqa: ANN401 - google-re2 ships no types
    """What says whether the pattern matches a whole text, in linear time whatever either is.

    RE2 knows between which texts, by their bytes, all lies that a pattern matches. To ask it takes many times as long
    as to compare with these two.
    """
    # Bytes: re2 needs more time to say where in a text it matched than to match.
    compiled = re2.compile(pattern.pattern.encode(), pattern.options)
    match = compiled.fullmatch
    try:
        first, last = compiled.possiblematchrange(_COMPARED)
    except re2.error:  # it may match anything
        return lambda text, _: match(text.encode()) is not None

    def holds(text: str, _: object) -> bool:
        written = text.encode()
        return first <= written <= last and match(written) is not None

    return holds
