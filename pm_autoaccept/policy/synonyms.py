"""Synonyms from other programs (approve, regex, gte) and names of states, for "did you mean" in error messages.

Misspellings are found by similarity; these words do not resemble the language's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pm_autoaccept.policy.enumerations import COUNTRIES, STATES


def _meant(words: Mapping[str, str]) -> Mapping[str, str]:
    """Synonym → the language's word, from the language's word → its synonyms."""
    return MappingProxyType({other: ours for ours, others in words.items() for other in others.split()})


NEGATED = "not: {FIELD: …}"
"""How conditions negate a test: no operator does it."""

POLICY = _meant({"data": "sources source tables table lists", "rules": "policy policies", "default": "else otherwise"})
DATA = _meant(
    {
        "csv": "file path",
        "lines": "list",
        "sql": "query table",
        "url": "http https address",
        "key": "keys by id",
        "separator": "delimiter sep",
        "encoding": "charset codepage",
        "dates": "date_format",
    }
)
RULE = _meant(
    {
        "id": "name rule title",
        "about": "description desc",
        "on": "type kind kinds for request requests applies_to",
        "when": "filter filters if condition conditions where match criteria",
        "then": "action actions do verdict decision decide result effect",
        "note": "message text reason reply",
        "tell": "notify alert email team",
        "expire": "timeout wait",
        "answer": "approve approval approver reviewer reviewers",
        "enforce": "enabled active dry_run",
        "until": "valid_until ends end",
    }
)
KIND = _meant({"connection": "account customer", "property": "building property_share", "meter": "meter_share"})
VERDICT = _meant(
    {"accept": "approve allow admit yes", "reject": "deny decline refuse block no", "hold": "wait review manual ask"}
)
CONDITION = _meant(
    {
        "all": "and all_of",
        "any": "or any_of",
        "not": "none none_of unless",
        "account.username": "username user owner",
        "account.email": "email mail",
        "account.email_domain": "domain",
        "account.organization": "organization organisation company",
        "sender.username": "sender",
        "access_level": "access permission",
        "property.primary_function": "function property_type property.type",
        "property.gross_floor_area": "gfa floor_area",
        "meter.type": "fuel utility commodity",
    }
)
OPERATOR = _meant(
    {
        "equals": "eq is equal =",
        "in": "one_of any_of list",
        "matches": "regex regexp pattern like",
        "starts_with": "prefix",
        "ends_with": "suffix",
        "contains": "includes has substring",
        "at_least": "gte ge min minimum >=",
        "at_most": "lte le max maximum <=",
        "above": "gt more_than greater_than over after >",
        "below": "lt less_than under before <",
        "taken": "unique duplicate used",
        "present": "exists exist required",
        "clean": "normalize normalise strip",
        "as": "read_as cast",
        "split": "separate separator separators separated delimiter split_at",
        "every": "each",
        NEGATED: "ne not_equal not_equals is_not not_in none_of not !=",
    }
)
LOOKUP = _meant({"in": "table data from", "by": "key keys on", "where": "when if filter"})


def _codes(text: str) -> Mapping[str, str]:
    """Name in lower case → code, from `CODE Name, CODE Name, …`."""
    pairs = (each.split(maxsplit=1) for each in text.split(","))
    return MappingProxyType({name.strip().casefold(): code for code, name in pairs})


PLACES: Mapping[tuple[str, ...], Mapping[str, str]] = MappingProxyType(
    {
        STATES: _codes(
            "AK Alaska, AL Alabama, AR Arkansas, AS American Samoa, AZ Arizona, CA California, CO Colorado, "
            "CT Connecticut, DC District of Columbia, DC Washington DC, DE Delaware, FL Florida, GA Georgia, GU Guam, "
            "HI Hawaii, IA Iowa, ID Idaho, IL Illinois, IN Indiana, KS Kansas, KY Kentucky, LA Louisiana, "
            "MA Massachusetts, MD Maryland, ME Maine, MH Marshall Islands, MI Michigan, MN Minnesota, MO Missouri, "
            "MP Northern Mariana Islands, MS Mississippi, MT Montana, NC North Carolina, ND North Dakota, NE Nebraska, "
            "NH New Hampshire, NJ New Jersey, NM New Mexico, NV Nevada, NY New York, OH Ohio, OK Oklahoma, OR Oregon, "
            "PA Pennsylvania, PI Pacific Islands, PR Puerto Rico, RI Rhode Island, SC South Carolina, "
            "SD South Dakota, TN Tennessee, TX Texas, UT Utah, VA Virginia, VI Virgin Islands, VT Vermont, "
            "WA Washington, WI Wisconsin, WV West Virginia, WY Wyoming, AB Alberta, BC British Columbia, MB Manitoba, "
            "NB New Brunswick, NL Newfoundland and Labrador, NL Newfoundland, NS Nova Scotia, "
            "NT Northwest Territories, NU Nunavut, ON Ontario, PE Prince Edward Island, QC Quebec, QC Québec, "
            "SK Saskatchewan, YT Yukon"
        ),
        COUNTRIES: _codes(
            "US United States, US United States of America, US USA, US U.S., US U.S.A., US America, CA Canada, "
            "MX Mexico, GB United Kingdom, GB Great Britain, GB UK, IE Ireland, FR France, DE Germany, ES Spain, "
            "PT Portugal, IT Italy, CH Switzerland, AT Austria, BE Belgium, NL Netherlands, DK Denmark, NO Norway, "
            "SE Sweden, FI Finland, PL Poland, GR Greece, TR Turkey, IN India, CN China, JP Japan, KR South Korea, "
            "TW Taiwan, SG Singapore, AU Australia, NZ New Zealand, BR Brazil, AR Argentina, CL Chile, CO Colombia, "
            "IL Israel, AE United Arab Emirates, ZA South Africa"
        ),
    }
)
"""Allowed values that are codes → the name that people write → the code."""
