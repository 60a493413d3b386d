"""Generates the properties, meters and custom field answers of a seeded world."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta

from pm_autoaccept.model import Address, CustomField
from pm_autoaccept.simulator import story
from pm_autoaccept.simulator.world import Access, Account, Meter, Property


def _sometimes(dice: random.Random, share: float) -> bool:
    return dice.random() < share


def property_of(
    dice: random.Random, *, id_: int, owner: Account, forwarders: frozenset[int], now: datetime
) -> Property:
    """A random property of this owner; some optional elements are missing."""
    kind, function = dice.choice(story.BUILDINGS)
    home = owner.info.address
    metric = home.country == "CA"
    return Property(
        id=id_,
        owner=owner.id,
        name=f"{dice.choice(story.PLACES)} {kind}",
        primary_function=function if _sometimes(dice, 0.9) else None,
        construction_status=dice.choices(("Existing", "Test", "Project", None), (80, 5, 5, 10))[0],
        floor_area=dice.randrange(3, 900) * (100 if metric else 1_000) if _sometimes(dice, 0.95) else None,
        floor_area_units="Square Meters" if metric else "Square Feet",
        year_built=dice.randrange(1890, 2024) if _sometimes(dice, 0.9) else None,
        number_of_buildings=dice.choice((1, 1, 1, 2, 5)) if _sometimes(dice, 0.8) else None,
        occupancy=dice.choice((60, 80, 90, 95, 100)),
        is_federal=_sometimes(dice, 0.02),
        is_institutional=_sometimes(dice, 0.2) if metric else None,
        address=Address(
            line1=f"{dice.randrange(1, 990)} {dice.choice(story.STREETS)}",
            city=home.city,
            state=home.state,
            postal_code=home.postal_code,
            country=home.country,
        )
        if _sometimes(dice, 0.9)
        else None,
        created_at=now - timedelta(days=dice.randrange(60, 3_000)),
        forwarders=forwarders,
    )


def meter_of(dice: random.Random, *, id_: int, property_id: int) -> Meter:
    """A random meter of this property: mostly energy, some water, some waste."""
    begun = date(2015, 1, 1) + timedelta(days=dice.randrange(3_000))
    if _sometimes(dice, 0.1):
        name, type_, unit = dice.choice(story.WASTE_METERS)
        return Meter(
            id=id_,
            property_id=property_id,
            category="waste",
            name=name,
            type=type_,
            unit=unit,
            data_entry_method="regular container",
            container_size="2",
            first_bill_date=begun if _sometimes(dice, 0.5) else None,
        )
    name, type_, unit = dice.choice(story.ENERGY_METERS)
    in_use = _sometimes(dice, 0.95)
    return Meter(
        id=id_,
        property_id=property_id,
        name=name,
        type=type_,
        unit=unit,
        metered=True if _sometimes(dice, 0.8) else None,
        in_use=in_use,
        first_bill_date=begun,
        inactive_date=None if in_use else begun + timedelta(days=400),
        aggregate=False if _sometimes(dice, 0.3) else None,
    )


def access(dice: random.Random) -> Access:
    """A random access level: about one in eight shares is read-only."""
    return Access.READ if _sometimes(dice, 0.12) else Access.READ_WRITE


def parcel(dice: random.Random) -> tuple[CustomField, ...] | None:
    """A customer's answer for the parcel number: mostly a number, sometimes blank or missing."""
    number = f"R-{dice.randrange(1_000, 9_999)}-{dice.randrange(1, 9)}"
    return dice.choices(((CustomField(story.PARCEL, number),), (CustomField(story.PARCEL, ""),), None), (85, 8, 7))[0]


def service_point(dice: random.Random) -> tuple[CustomField, ...] | None:
    """A customer's answer for the service point: mostly a number, sometimes blank or missing."""
    number = f"SP-{dice.randrange(1_000, 99_999)}"
    answers = ((CustomField(story.SERVICE_POINT, number),), (CustomField(story.SERVICE_POINT, " "),), None)
    return dice.choices(answers, (85, 8, 7))[0]
