"""Gives freed memory back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Hand back what was freed, where the C library can (glibc): it keeps pages that lie between others in use.

    What making a table of millions of rows needs meanwhile is as much again as the table.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
