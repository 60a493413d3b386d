"""The editor schema: made from the language's tables, it accepts whatever the loader accepts."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from pm_autoaccept.policy import load as load_policy
from pm_autoaccept.policy import notes
from pm_autoaccept.policy.cases import case_files
from pm_autoaccept.policy.cleaning import CLEANINGS
from pm_autoaccept.policy.fields import CUSTOM, FIELDS
from pm_autoaccept.policy.language import words
from pm_autoaccept.policy.language.page import page
from pm_autoaccept.policy.language.schema import schema
from pm_autoaccept.policy.operators import MODIFIERS, OPERATORS
from pm_autoaccept.policy.parser import data as data_reading
from pm_autoaccept.policy.parser import rules as rule_reading
from tests.editor import complaints

ROOT = Path(__file__).parents[3]
GOOD = sorted([*ROOT.glob("policies/**/*.yaml"), *ROOT.glob("tests/**/policy/*.yaml")])
BLOCK = re.compile(r"^```yaml\n((?:version|cases):.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = {
    f"{page.name}#{number}": block
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
    for number, block in enumerate(BLOCK.findall(page.read_text()))
}
RULE = "version: 1\nrules:\n- id: a\n  on: meter\n  then: reject\n  when: "


def test_it_is_a_schema():
    """It is JSON Schema, draft 7, which editors read."""
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("path", GOOD, ids=[path.relative_to(ROOT).as_posix() for path in GOOD])
def test_it_accepts_the_examples(path):
    """Policies and tests that come with the program have nothing against them."""
    assert complaints(path.read_text()) == []


@pytest.mark.parametrize("block", DOCUMENTS.values(), ids=DOCUMENTS)
def test_it_accepts_the_documents(block):
    """Likewise what the documents show."""
    assert complaints(block) == []


@pytest.mark.parametrize(
    "when",
    [
        "{meter.type: Eletric}",
        "{meter.type: [Electric, Eletric]}",
        "{meter.type: {in: [Eletric]}}",
        "{meter.type: {equals: Eletric}}",
        "{meter.tipe: Electric}",
        "{meter.name: {matchs: a}}",
        "{meter.first_bill_date: yesterday}",
        "{meter.first_bill_date: {at_least: 12}}",
        "{meter.metered: maybe}",
        "{property.year_built: new}",
        "{age: {above: 30 days}}",
        "{custom.A: {clean: digit, equals: 1}}",
        "{custom.A: {clean: [digits, last four], equals: 1}}",
        "{any: {meter.type: Electric}}",
        "{lookup: {in: a, where: {b: 1}}}",
        "[meter.type]",
        "never",
    ],
)
def test_it_complains(when):
    """What the loader refuses for its names, its types and its shape, the editor marks while it is typed."""
    assert complaints(RULE + when)
    with pytest.raises(Exception, match=r"p\.yaml:"):
        load_policy({"p.yaml": (RULE + when).encode()})


@pytest.mark.parametrize(
    "text",
    [
        RULE.replace("version: 1\n", "") + "always",
        RULE.replace("version: 1", "version: 2") + "always",
        RULE.replace("then: reject", "then: acept") + "always",
        RULE.replace("then: reject", "them: reject") + "always",
        "version: 1\nrule: []",
        "version: 1\ndata: {a: {vales: [b]}}",
        "version: 1\nlimits: {acept: 1 per 1h}",
        "cases: [{about: a, request: {kind: metre}, expect: {verdict: hold, rule: a}}]",
        "cases: [{about: a, request: {kind: meter, meter: {type: Eletric}}, expect: {verdict: hold, rule: a}}]",
        "cases: [{about: a, request: {kind: meter}, expect: {verdict: hold}}]",
        "version: 1\ncases: [{about: a, request: {kind: meter}, expect: {verdict: hold, rule: a}}]\nrules: [a]",
    ],
)
def test_it_complains_of_the_rest_of_a_file(text):
    """Keys, verdicts, data, limits and cases are held to their tables too."""
    assert complaints(text)


def test_everything_has_words():
    """No field, operator, key, cleaning or filter goes without a description; none is described that is not there."""
    assert words.described() == set(FIELDS)
    assert set(words.CUSTOM_FIELDS) == set(CUSTOM)
    assert list(words.OPERATORS) == list(OPERATORS)
    assert list(words.MODIFIERS) == list(MODIFIERS)
    assert tuple(words.CLEANINGS) == CLEANINGS
    assert tuple(words.FILTERS) == (*notes.FILTERS, "or TEXT")
    assert tuple(words.RULE) == rule_reading.RULE_KEYS
    assert tuple(words.DEFAULT) == rule_reading.DEFAULT_KEYS
    assert tuple(words.DATA) == data_reading._KEYS
    assert tuple(words.CASE) == case_files.CASE_KEYS
    assert tuple(words.EXPECT) == case_files.EXPECT_KEYS


def test_the_reference_page_is_the_programs():
    """The page in the documents is what the program writes: `python -m pm_autoaccept.policy.language`."""
    written = subprocess.run(
        [sys.executable, "-m", "pm_autoaccept.policy.language"], capture_output=True, text=True, check=True
    )
    assert written.stdout == page() == (ROOT / "docs" / "policy-reference.md").read_text()


def test_the_reference_page_has_every_value():
    """Whoever looks for a field, an operator, or a value of a choice finds it there, spelt as it is to be written."""
    told = page()
    for name, field in FIELDS.items():
        assert f"| `{name}` | {field.type} |" in told
        if len(field.members) > 8:
            assert all(f"`{member}`" in told for member in field.members)
    assert all(f"| `{name}` |" in told for name in (*OPERATORS, *MODIFIERS, *CLEANINGS))
