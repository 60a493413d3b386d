"""Coverage-guided fuzzing by atheris: `python -m tests.fuzz TARGET [libFuzzer's options and folders]`.

Coverage is that of our own modules and of PyYAML, which are Python: their branches and comparisons guide the fuzzer.
lxml and re2 are C and not instrumented; what they do shows only in what our code does next.
"""

from __future__ import annotations

import random
import sys

import atheris

# Targets are imported under instrumentation, hence not at the top.
with atheris.instrument_imports(
    include=["pm_autoaccept.parse", "pm_autoaccept.policy", "pm_autoaccept.decide", "yaml"]
):
    from tests.fuzz.targets import TARGETS

from tests.fuzz.trees import bent


def bend_or_break(data: bytes, max_size: int, seed: int) -> bytes:
    """Every other time a well-formed document stays one; else libFuzzer changes bytes."""
    dice = random.Random(seed)  # noqa: S311 — reproducible dice, no secret
    changed = bent(data, dice) if dice.random() < 0.5 else None
    return changed if changed is not None and len(changed) <= max_size else atheris.Mutate(data, max_size)


def main() -> None:
    """Fuzz one target until libFuzzer's own options end it; it exits with 77 where it has found something."""
    program, target, *options = sys.argv
    atheris.Setup([program, *options], TARGETS[target], custom_mutator=bend_or_break if target == "parse" else None)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
