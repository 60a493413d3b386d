"""The accounts of a seeded world: who they are and how they spell their customer number."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Iterator
from enum import StrEnum

from pm_autoaccept.model import AccountInfo, Address, CustomField
from pm_autoaccept.simulator import story
from pm_autoaccept.simulator.world import Account


class Character(StrEnum):
    """What a customer's number is like."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    MALFORMED = "malformed"
    BLANK = "blank"
    BLOCKED = "blocked"


def provider() -> Account:
    """The utility whose account the client uses."""
    return Account(
        id=87_267,
        username="prairie_power",
        password="Simulated-Meter-42",  # noqa: S106 - it opens a simulator, and simulate prints it
        primary_business="Utility",
        info=AccountInfo(
            first_name="Dana",
            last_name="Whitfield",
            email="benchmarking@prairie-power.example",
            phone="309-555-0100",
            job_title="Benchmarking Lead",
            organization="Prairie Light & Power",
            address=Address(line1="1 Grid Plaza", city="Peoria", state="IL", postal_code="61602", country="US"),
        ),
    )


def consultants() -> Iterator[Account]:
    """The firms that forward shares."""
    for number, username in enumerate(story.FORWARDERS):
        firm = username.replace("_", " ").title()
        yield Account(
            id=395_500 + number,
            username=username,
            password=password_of(username),
            primary_business="Service and Product Provider/Consultant",
            info=AccountInfo(
                first_name="Robin",
                last_name=firm.split()[0],
                email=f"hello@{username.replace('_', '-')}.example",
                phone=f"312-555-01{90 + number}",
                job_title="Consultant",
                organization=f"{firm} Inc.",
                address=Address(line1="9 Loop Court", city="Peoria", state="IL", postal_code="61602", country="US"),
            ),
        )


def password_of(username: str) -> str:
    """A simulated customer's password: it fits EPA's rule (docs/protocol.md#authentication) for every username."""
    return f"Simulated-{username}-1"


def owner(dice: random.Random, *, number: int, id_: int, character: Character, blocked_before: int) -> Account:
    """A customer. `number` makes the username unique, `blocked_before` counts the blocked ones so far."""
    first, last = dice.choice(story.FIRST_NAMES), dice.choice(story.LAST_NAMES)
    place, firm = dice.choice(story.PLACES), dice.choice(story.FIRMS)
    canadian = dice.random() < 0.08  # noqa: PLR2004 - the share of customers from Canada
    city, state, postal = dice.choice(story.CANADIAN_CITIES if canadian else story.CITIES)
    username = f"{place.lower()}_{number:03d}"
    domain = f"{place.lower()}.example"
    if character is Character.BLOCKED:
        username = _blocked_username(blocked_before)
        domain = story.BLOCKED_EMAIL_DOMAIN
    return Account(
        id=id_,
        username=username,
        password=password_of(username),
        info=AccountInfo(
            first_name=first,
            last_name=last,
            email=f"{_ascii(last)}.{number}@{domain}",
            phone=f"{dice.choice(('309', '219', '503'))}-555-01{dice.randrange(100):02d}",
            job_title=dice.choice(story.JOBS),
            organization=None if dice.random() < 0.1 else f"{place} {firm}",  # noqa: PLR2004 - some have none
            address=Address(
                line1=f"{dice.randrange(1, 990)} {dice.choice(story.STREETS)}",
                line2=dice.choice((None, None, "Unit 4", "Suite 200")),
                city=city,
                state=state,
                postal_code=postal,
                country="CA" if canadian else "US",
            ),
        ),
    )


def _blocked_username(before: int) -> str:
    names = story.BLOCKED_USERNAMES
    return names[before] if before < len(names) else f"{names[before % len(names)]}_{before:03d}"


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z]", "", plain) or "mail"


def customer_number(dice: random.Random, *, character: Character, known: str) -> tuple[CustomField, ...] | None:
    """What a customer types as customer number; `known` is the utility's own. None: no custom field at all."""
    value: str | None
    if character in {Character.KNOWN, Character.BLOCKED}:
        value = _spelt(dice, known)
    elif character is Character.UNKNOWN:
        value = _spelt(dice, f"0099{dice.randrange(1_000_000):06d}")
    elif character is Character.MALFORMED:
        value = dice.choice(story.MALFORMED_NUMBERS)
    else:
        value = dice.choice(story.BLANK_NUMBERS)
    return None if value is None else (CustomField(story.CUSTOMER_NUMBER, value),)


def _spelt(dice: random.Random, number: str) -> str:
    """A number as people write it down: some with dashes, blanks, a long dash, or without its leading zeros."""
    dashed = f"{number[:4]}-{number[4:7]}-{number[7:]}"
    forms = {
        number: 40,
        dashed: 24,
        dashed.replace("-", " "): 14,
        f" {number} ": 9,
        dashed.replace("-", "–"): 6,  # noqa: RUF001 - the dash that a word processor makes of a hyphen
        number.lstrip("0"): 7,
    }
    return dice.choices(list(forms), weights=list(forms.values()))[0]
