"""Long policies as utilities write them: the same rules for every engine.

A rule is a few tests that must all hold. Seven families take turns: blocked usernames, customer numbers, e-mail
domains, meter numbers, postal codes, consultants, and meters of known customers. Three general rules that name nobody
stand among them, the same three however long the policy is. A field without value passes no test.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pm_autoaccept.model import Kind
from pm_autoaccept.policy.parser.source_text import MAX_FILE_BYTES

NUMBER, METER, POINT = "Utility Customer Number", "Meter Number", "Service Point"

SHAPES = {
    "account.username": "text",
    "account.organization": "text",
    "account.email_domain": "text",
    "account.job_title": "text",
    "account.address.state": "text",
    "sender.username": "text",
    "access_level": "text",
    "property.primary_function": "text",
    "property.address.postal_code": "text",
    "property.gross_floor_area": "number",
    "property.year_built": "number",
    "meter.type": "text",
    "meter.name": "text",
    f"custom.{NUMBER}": "digits",
    f"custom.{METER}": "digits",
    f"custom.{POINT}": "text",
    f"connection.custom.{NUMBER}": "digits",
}
"""Each field that is tested: a text, a number, or a text of which only the digits are compared."""


def named(field: str) -> str:
    """The field as a name that every engine bears."""
    return field.lower().replace(".", "_").replace(" ", "_")


@dataclass(frozen=True, slots=True)
class MadeTest:
    """A field and what it must be.

    Attributes:
        said: `in` (one of the literals), `starts_with`, `at_least`, `below`, or `between` (a text that begins with
            the first literal and ends with one of the others, for which a policy uses a pattern).
    """

    field: str
    said: str
    literals: tuple[str | int, ...]

    @property
    def name(self) -> str:
        """The name of the field that every engine bears."""
        return named(self.field)

    @property
    def written(self) -> str:
        """The test in the policy language."""
        shown = [f"'{each}'" if isinstance(each, str) else str(each) for each in self.literals]
        if self.said == "between":
            first, *last = self.literals
            return f"{{matches: '{first}.*({'|'.join(map(str, last))})'}}"
        what = f"[{', '.join(shown)}]" if len(shown) > 1 else shown[0]
        if SHAPES[self.field] == "digits":
            return f"{{{'in' if len(shown) > 1 else 'equals'}: {what}, clean: digits}}"
        return what if self.said == "in" else f"{{{self.said}: {what}}}"


@dataclass(frozen=True, slots=True)
class MadeRule:
    """A rule: on which kinds, its tests, what it says."""

    id: str
    on: tuple[Kind, ...]
    tests: tuple[MadeTest, ...]
    then: str

    @property
    def written(self) -> str:
        """The rule in the policy language."""
        tests = "".join(f"\n      {each.field}: {each.written}" for each in self.tests)
        everyone = "\n    i_accept_everyone: true" if self.then == "accept" else ""
        on = ", ".join(self.on)
        return f"  - id: {self.id}\n    on: [{on}]\n    when:{tests}\n    then: {self.then}{everyone}\n"


STATES = ("IL", "IN", "WI", "MI", "OH", "IA")
FUNCTIONS = ("Office", "Hotel", "Hospital (General Medical & Surgical)", "K-12 School", "Retail Store")
TITLES = ("Owner", "Manager", "Analyst", "Engineer")
FUELS = ("Electric", "Natural Gas", "District Steam")


def _specific(number: int, chance: random.Random) -> MadeRule:
    """The rule of this number: it names somebody, and asks one thing or two more."""
    one, other = (f"{number:07}{chance.randrange(1000):03}" for _ in range(2))
    use = ("property.primary_function", "in", *chance.sample(FUNCTIONS, 2))
    size = ("property.gross_floor_area", "at_least", chance.randrange(10, 50) * 1000)
    families: tuple[tuple[tuple[Kind, ...], str, tuple[tuple[str | int, ...], ...]], ...] = (
        (tuple(Kind), "reject", (("account.username", "in", *(f"spam_{number}_{each}" for each in "abc")),)),
        (
            (Kind.CONNECTION,),
            "accept",
            ((f"custom.{NUMBER}", "in", one), ("account.address.state", "in", *chance.sample(STATES, 3))),
        ),
        (
            (Kind.CONNECTION,),
            "accept",
            (
                ("account.email_domain", "in", f"firm{number}.example"),
                ("account.job_title", "in", *chance.sample(TITLES, 2)),
                ("account.organization", "starts_with", "Green "),
            ),
        ),
        (
            (Kind.METER,),
            "accept",
            (
                (f"custom.{METER}", "in", one),
                (f"custom.{POINT}", "between", "SP-", "-E", "-G"),
                ("meter.type", "in", *FUELS[:2]),
            ),
        ),
        (
            (Kind.PROPERTY,),
            "reject",
            (
                ("property.address.postal_code", "in", f"Z{number:05}"),
                size,
                ("property.year_built", "below", chance.randrange(1970, 2010)),
            ),
        ),
        ((Kind.PROPERTY, Kind.METER), "hold", (use, ("sender.username", "in", f"consultant_{number}"))),
        (
            (Kind.METER,),
            "accept",
            ((f"connection.custom.{NUMBER}", "in", one, other), ("meter.name", "starts_with", "Main ")),
        ),
    )
    on, then, tests = families[number % len(families)]
    made = tuple(MadeTest(str(field), str(said), tuple(literals)) for field, said, *literals in tests)
    return MadeRule(f"rule-{number}", on, made, then)


GENERAL = (
    ((Kind.PROPERTY, Kind.METER), "reject", MadeTest("access_level", "in", ("Read",))),
    ((Kind.PROPERTY,), "hold", MadeTest("property.gross_floor_area", "below", (1000,))),
    ((Kind.METER,), "hold", MadeTest(f"custom.{POINT}", "between", ("n", "/a", "one"))),
)


def rules_made(count: int) -> tuple[MadeRule, ...]:
    """So many rules, the general ones spread among them."""
    chance = random.Random(f"rules {count}")  # noqa: S311 - drawn to be the same each time
    rules = [_specific(number, chance) for number in range(count - len(GENERAL))]
    for place, (on, then, test) in enumerate(GENERAL, start=1):
        rules.insert(place * count // 4, MadeRule(f"general-{place}", on, (test,), then))
    return tuple(rules)


def files_made(rules: Sequence[MadeRule]) -> Mapping[str, bytes]:
    """The policy's folder: as many files as their largest size demands."""
    files: list[str] = []
    for rule in rules:
        if not files or len(files[-1]) + len(rule.written) > MAX_FILE_BYTES:
            files.append("version: 1\nrules:\n")
        files[-1] += rule.written
    return {f"{number:03}.yaml": text.encode() for number, text in enumerate(files)}
