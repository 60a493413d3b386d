"""Requests to ask of the rules that are made: half of them such that a rule, drawn evenly, is true of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeAlias

from pm_autoaccept.model import (
    AccountInfo,
    Address,
    CustomField,
    Facts,
    Kind,
    MeterInfo,
    PendingRequest,
    PropertyInfo,
    PropertyShare,
)
from pm_autoaccept.policy import name_key
from tests.bench.rules_made import FUELS, FUNCTIONS, METER, NUMBER, POINT, STATES, TITLES, MadeRule, named
from tests.examples import NOW

DEFINED = frozenset(map(name_key, (NUMBER, METER, POINT)))
"""As decide gives the names: once for all requests."""

Asked: TypeAlias = tuple[PendingRequest, Facts]
Values: TypeAlias = Mapping[str, str | int]
"""What each field says, blank or 0 where there is nothing, by the name that every engine bears."""


def _values(rules: Sequence[MadeRule], chance: random.Random) -> dict[str, str | int]:
    """What the fields of one request say: half of them are such that a rule, drawn evenly, is true of them."""
    said: dict[str, str | int] = {
        "account.username": f"owner_{chance.randrange(10**6)}",
        "account.organization": chance.choice(("Green Homes", "Riverside", "")),
        "account.email_domain": f"mail{chance.randrange(10**6)}.example",
        "account.job_title": chance.choice((*TITLES, "Clerk")),
        "account.address.state": chance.choice((*STATES, "CA")),
        "sender.username": f"sender_{chance.randrange(10**6)}",
        "access_level": "Read Write",
        "property.primary_function": chance.choice(FUNCTIONS),
        "property.address.postal_code": f"{chance.randrange(10**5):05}",
        "property.gross_floor_area": chance.randrange(1000, 90_000),
        "property.year_built": chance.randrange(1930, 2020),
        "meter.type": chance.choice(FUELS),
        "meter.name": chance.choice(("Main electric", "House gas")),
        f"custom.{NUMBER}": chance.choice(("", f"9{chance.randrange(10**9):09}")),
        f"custom.{METER}": chance.choice(("", f"9{chance.randrange(10**9):09}")),
        f"custom.{POINT}": chance.choice(("", f"SP-{chance.randrange(10**4)}-{chance.choice('EGW')}")),
        f"connection.custom.{NUMBER}": chance.choice(("", f"9{chance.randrange(10**9):09}")),
        "kind": chance.choice(list(Kind)).value,
    }
    if chance.random() < 0.5:
        rule = chance.choice(rules)
        said["kind"] = chance.choice(rule.on).value
        for test in rule.tests:
            literal = test.literals[0]
            if isinstance(literal, int):
                said[test.field] = literal if test.said == "at_least" else literal - 1
            elif test.said == "between":
                said[test.field] = f"{literal}77{test.literals[-1]}"
            else:
                said[test.field] = literal if test.said == "in" else f"{literal}something"
    return said


def _asked(said: Mapping[str, str | int], number: int) -> Asked:
    """The request and the facts that say so, as Portfolio Manager and its customers write them."""
    kind = Kind(str(said["kind"]))

    def text(field: str) -> str | None:
        return str(said[field]) or None

    def custom(prefix: str, *names: str) -> tuple[CustomField, ...]:
        given = [(name, str(said[f"{prefix}custom.{name}"])) for name in names]
        dashed = {NUMBER: "-", METER: " "}
        return tuple(
            CustomField(name, f"{value[:4]}{dashed.get(name, '')}{value[4:]}") for name, value in given if value
        )

    somewhere = Address(line1="1 Main St", city="Town", postal_code="60601", country="US")
    account = AccountInfo(
        first_name="Ines",
        last_name="Duarte",
        email=f"ines@{said['account.email_domain']}",
        phone="503-555-0142",
        job_title=text("account.job_title"),
        organization=text("account.organization"),
        address=replace(somewhere, state=text("account.address.state")),
    )
    shared = PropertyInfo(
        name="Riverside Tower",
        primary_function=text("property.primary_function"),
        construction_status="Existing",
        gross_floor_area=Decimal(said["property.gross_floor_area"]),
        year_built=int(said["property.year_built"]),
        number_of_buildings=1,
        occupancy=95,
        is_federal=False,
        address=replace(somewhere, postal_code=text("property.address.postal_code")),
    )
    is_connection, is_meter = kind is Kind.CONNECTION, kind is Kind.METER
    request = PendingRequest(
        kind=kind,
        id=1000 + number,
        account_id=410221,
        username=text("account.username"),
        sender_id=-42,
        sender_username=text("sender.username"),
        requested_at=NOW - timedelta(days=2),
        access_level=None if is_connection else text("access_level"),
        custom=custom("", NUMBER, METER, POINT),
        account_info=account if is_connection else None,
        property_id=None if is_connection else 5,
        property_info=None if is_connection else shared,
        meter_info=MeterInfo(
            category="energy", name=text("meter.name"), type=text("meter.type"), unit="kWh", metered=True, in_use=True
        )
        if is_meter
        else None,
    )
    facts = Facts(now=NOW, held=None, connected=True, defined=DEFINED)
    if is_connection:
        return request, facts
    return request, Facts(
        now=NOW,
        held=None,
        connected=True,
        defined=DEFINED,
        account=account,
        connection_custom=custom("connection.", NUMBER),
        property_custom=(),
        property_share=PropertyShare.PENDING if is_meter else PropertyShare.NONE,
        property_verdict=None,
    )


def requests_made(rules: Sequence[MadeRule], count: int) -> tuple[tuple[Asked, Values], ...]:
    """So many requests, each with what an engine is given of it: every field, read and cleaned beforehand."""
    chance = random.Random(f"requests {len(rules)}")  # noqa: S311 - likewise
    drawn = [_values(rules, chance) for _ in range(count)]
    values = [{named(field): each for field, each in said.items()} for said in drawn]
    return tuple((_asked(said, number), each) for number, (said, each) in enumerate(zip(drawn, values, strict=True)))
