"""Sample data of seeded worlds: names, addresses, customer numbers, buildings and meters.

Names, streets and firms are made up; email addresses end in `.example`, and telephone numbers are 555-01xx.
"""

from __future__ import annotations

from pm_autoaccept.model import CustomFieldDefinition

KNOWN_CUSTOMER_NUMBERS: tuple[str, ...] = tuple(f"0041{(1_234 + 7_919 * i) % 1_000_000:06d}" for i in range(400))
"""The utility's own ten-digit customer numbers; leading zeros are significant."""

BLOCKED_USERNAMES: tuple[str, ...] = ("spam_one", "spam_two", "meter_harvest")
BLOCKED_EMAIL_DOMAIN = "harvest.example"
"""The email domain of every blocked customer; a larger world has more of them than `BLOCKED_USERNAMES`."""

CONSULTANTS: tuple[str, ...] = ("green_consult", "watt_watchers")
"""Firms known to the utility that forward shares of buildings that they do not own."""

FORWARDERS: tuple[str, ...] = (*CONSULTANTS, "acme_energy_audits")
"""All firms that forward shares; one of them is unknown to the utility."""

CUSTOMER_NUMBER = "Utility Customer Number"
PARCEL = "Parcel"
SERVICE_POINT = "Service Point ID"

CUSTOM_FIELDS: tuple[CustomFieldDefinition, ...] = (
    CustomFieldDefinition(
        id=46,
        name=CUSTOMER_NUMBER,
        required=False,
        valid_characters="Any",
        when_to_prompt="Once",
        min_chars=1,
        max_chars=40,
    ),
    CustomFieldDefinition(
        id=47, name=PARCEL, required=False, valid_characters="Any", when_to_prompt="Property", max_chars=20
    ),
    CustomFieldDefinition(
        id=48, name=SERVICE_POINT, required=False, valid_characters="Any", when_to_prompt="Meter", max_chars=20
    ),
)

MALFORMED_NUMBERS: tuple[str, ...] = (
    "PENDING",
    "see attached bill",
    "n/a",
    "0041-12",
    "12345",
    "ACCT-7781",
    "call me",
    "C-0099",
    "00O41I2",
)

BLANK_NUMBERS: tuple[str | None, ...] = ("", "   ", None)
"""None: the field is left out."""

FIRST_NAMES: tuple[str, ...] = (
    "Ines",
    "Marcus",
    "Zoë",
    "Priya",
    "Óscar",
    "Hannah",
    "Søren",
    "Mei",
    "Tobias",
    "Amara",
    "Lucía",
    "Kwame",
    "Ewa",
    "Jonas",
    "Fatima",
    "Noah",
    "Renée",
    "Dmitri",
    "Aisha",
    "Caleb",
    "Ingrid",
    "Mateo",
    "Nadia",
    "Wendell",
)
LAST_NAMES: tuple[str, ...] = (
    "Okafor",
    "Lindqvist",
    "Nguyễn",
    "Alvarez",
    "Brennan",
    "Kowalski",
    "Haddad",
    "Petrov",
    "Yamada",
    "Osei",
    "Delacroix",
    "Whitfield",
    "Ramírez",
    "Sørensen",
    "O'Neill",
    "Castellano",
    "Mbeki",
    "Fairbanks",
    "Tremblay",
    "Abernathy",
)
PLACES: tuple[str, ...] = (
    "Riverside",
    "Dockside",
    "Prairie",
    "Lakeview",
    "Cornerstone",
    "Millrace",
    "Harbor",
    "Northgate",
    "Elmwood",
    "Summit",
    "Foundry",
    "Orchard",
    "Meridian",
    "Granary",
    "Union",
    "Bluestem",
    "Cathedral",
    "Juniper",
    "Quarry",
    "Terrace",
)
FIRMS: tuple[str, ...] = (
    "Properties LLC",
    "Realty Trust",
    "Housing Authority",
    "Management & Sons",
    "School District 41",
    "Medical Group",
    "Immobilière",
    "Partners",
)
JOBS: tuple[str, ...] = (
    "Portfolio Engineer",
    "Facilities Director",
    "Energy Analyst",
    "Building Manager",
    "Owner",
)
STREETS: tuple[str, ...] = ("Dock Road", "Canal Street", "Mill Lane", "2nd Avenue", "Grain Way", "Orchard Row")

CITIES: tuple[tuple[str, str, str], ...] = (
    ("Peoria", "IL", "61602"),
    ("Rockford", "IL", "61101"),
    ("Springfield", "IL", "62701"),
    ("Gary", "IN", "46402"),
    ("Fort Wayne", "IN", "46802"),
    ("Portland", "OR", "97205"),
)
CANADIAN_CITIES: tuple[tuple[str, str, str], ...] = (
    ("Windsor", "ON", "N9A 1A1"),
    ("Montréal", "QC", "H2Y 1C6"),
)

BUILDINGS: tuple[tuple[str, str], ...] = (
    ("Tower", "Office"),
    ("Lofts", "Multifamily Housing"),
    ("Elementary", "K-12 School"),
    ("Clinic", "Medical Office"),
    ("Market", "Supermarket/Grocery Store"),
    ("Inn", "Hotel"),
    ("Warehouse No. 3", "Non-Refrigerated Warehouse"),
    ("Chapel", "Worship Facility"),
)

ENERGY_METERS: tuple[tuple[str, str, str], ...] = (
    ("Main electric", "Electric", "kWh (thousand Watt-hours)"),
    ("House panel", "Electric", "kWh (thousand Watt-hours)"),
    ("Tenant floors", "Electric", "MWh (million Watt-hours)"),
    ("Boiler gas", "Natural Gas", "therms"),
    ("Roof solar", "Electric on Site Solar", "kWh (thousand Watt-hours)"),
    ("Domestic water", "Municipally Supplied Potable Water - Mixed Indoor/Outdoor", "KGal (thousand gallons) (US)"),
)
WASTE_METERS: tuple[tuple[str, str, str], ...] = (
    ("Loading dock dumpster", "Disposed - Trash", "Cubic yards"),
    ("Blue bins", "Recycled - Mixed Recyclables", "Cubic yards"),
)
