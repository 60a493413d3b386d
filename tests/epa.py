"""EPA's schemas and our example bodies, where they lie beside the project; tests that read them skip where absent."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from lxml import etree

_REFERENCE = Path(__file__).resolve().parents[2] / "shared" / "portfolio-manager"
SCHEMAS = _REFERENCE / "schemas-26.0" / "main.xsd"
EXAMPLES = _REFERENCE / "examples"

needs_epa = pytest.mark.skipif(
    not SCHEMAS.exists(), reason="needs EPA's schemas, which are not part of this project; you can do without"
)
needs_examples = pytest.mark.skipif(
    not EXAMPLES.exists(),
    reason="needs EPA's example documents, which are not part of this project; you can do without",
)


@cache
def schema() -> etree.XMLSchema:
    """EPA's schema bundle, compiled once."""
    return etree.XMLSchema(etree.parse(SCHEMAS))


def faults_by_epa(body: bytes) -> list[str]:
    """What EPA's schema finds wrong with a document, nothing if it is valid."""
    compiled = schema()
    return [] if compiled.validate(etree.fromstring(body)) else [str(error) for error in compiled.error_log]
