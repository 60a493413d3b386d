"""Returns freed memory to the operating system after a large table was built (malloc_trim)."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Return freed memory to the operating system if the C library can (glibc), which otherwise keeps it.

    Building a table of millions of rows temporarily needs as much memory again as the table.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
