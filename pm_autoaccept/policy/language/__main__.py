"""Prints the reference page: `python -m pm_autoaccept.policy.language > docs/policy-reference.md`."""

from __future__ import annotations

import sys

from pm_autoaccept.policy.language.page import page

if __name__ == "__main__":
    sys.stdout.write(page())
