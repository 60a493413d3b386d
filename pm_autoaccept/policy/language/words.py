"""One-line descriptions of every key, field and operator, for editors and the reference page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pm_autoaccept.model import Address
from pm_autoaccept.policy.fields import CUSTOM

FILE: Mapping[str, str] = MappingProxyType(
    {
        "version": "Required in each file: 1.",
        "time_zone": "In which days begin and end, for example America/Chicago. Default: UTC. In one file only.",
        "private": "Custom fields that are tested but never shown, for example [custom.Share Key]. In one file only.",
        "data": "Your lists and tables that rules look values up in: each name with its source.",
        "rules": "The rules, tried from top to bottom: the first one that matches decides. A list.",
        "default": "The verdict if no rule matches. Default: hold. In one file only.",
        "limits": "Limits of answers per period: {accept: 500 per 1h, reject: 50 per 1d}, or none. In one file only.",
    }
)
RULE: Mapping[str, str] = MappingProxyType(
    {
        "id": "Required: lower-case words joined by hyphens, for example known-customer. Shown in records and logs.",
        "about": "A one-line description, recorded as the reason.",
        "on": "Required: connection, property or meter, or a list of them.",
        "when": "Required: conditions that must all hold, or always.",
        "then": "Required: accept, reject or hold.",
        "note": "The note to the customer, at most 1,000 characters; {field|or TEXT} inserts a value or a fallback.",
        "tell": "A group, named in the settings, that is notified once when the rule decides.",
        "expire": "For hold: when to give up, for example {after: 30d, then: reject, note: Please share again.}",
        "answer": "For hold: who may answer it, and how many people must, for example {by: benchmarking, people: 2}.",
        "enforce": "false: the rule does not decide; what it would have decided is recorded and counted.",
        "until": "The last date on which the rule applies, for example 2026-06-30.",
        "i_accept_everyone": "true: this accept rule does not need to identify who it accepts.",
    }
)
DEFAULT: Mapping[str, str] = MappingProxyType(
    {
        "then": "Required: accept, reject or hold.",
        "note": "The note to the customer; a field that can be absent needs {field|or TEXT}.",
        "expire": "For hold: when to give up, for example {after: 30d, then: reject}.",
        "answer": "For hold: who may answer it, and how many people must, for example {by: benchmarking, people: 2}.",
        "i_accept_everyone": "true: every request that no rule matches is accepted.",
    }
)
EXPIRE: Mapping[str, str] = MappingProxyType(
    {
        "after": "Required: how long the same rule must have held the request, for example 30d.",
        "then": "Required: reject. Nothing is ever accepted by waiting.",
        "note": "The note to the customer when the hold expires.",
    }
)
ANSWER: Mapping[str, str] = MappingProxyType(
    {
        "by": "A group, named in the settings, whose members may answer; by default, everybody may.",
        "people": "How many different people must give the same answer, from 1 (the default) to 5.",
    }
)
DATA: Mapping[str, str] = MappingProxyType(
    {
        "values": "The keys themselves, for example [green_consult, watt_watchers].",
        "lines": "A text file with one key per line. The path is relative to the policy folder.",
        "csv": "A csv file with a header; `key` names the key column. The path is relative to the policy folder.",
        "sql": "A query on a connection from the settings: {connection: billing, query: select …}.",
        "url": "An https URL that returns csv (with `key`) or one key per line.",
        "key": "The key column, or a list of key columns.",
        "clean": "How keys and looked-up values are cleaned: a cleaning, a list, or a mapping from key columns.",
        "columns": "The other columns that `where` can test, each with its type.",
        "refresh": "How often the source is read again, for example 15m, which is the default.",
        "require": "Conditions without which the data is unknown: {rows: 1000, age: 2d, shrink: 20%}.",
        "dated": "The column with the date of each row, from which `age` is counted.",
        "separator": "The separator of csv cells: ',' (default), ';', '|' or tab.",
        "encoding": "The encoding of a file or response, for example windows-1252 or utf-16. Default: utf-8.",
        "dates": "A date format to accept besides 2026-01-31: month/day/year, day/month/year or year/month/day.",
    }
)
REQUIRE: Mapping[str, str] = MappingProxyType(
    {
        "rows": "The minimum number of rows.",
        "age": "The maximum age of the contents, for example 2d.",
        "shrink": "The maximum decrease of rows compared with the last 7 days, for example 20%.",
        "grow": "The maximum increase of rows compared with the last 7 days, for example 50%.",
    }
)
LOOKUP: Mapping[str, str] = MappingProxyType(
    {
        "in": "Required: the data name.",
        "by": "Required: each key column, with the field to look up in it.",
        "where": "Conditions on the columns of the row found.",
    }
)
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "all": "A list of conditions that must all hold.",
        "any": "A list of conditions; at least one must hold.",
        "not": "Conditions that must not hold; a test of a value that the customer left out is false here too.",
        "lookup": "True if the data has the row and the row passes: {in: TABLE, by: {COLUMN: FIELD}, where: …}.",
    }
)
OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        "equals": "The value is this.",
        "in": "The value is one of these, or a key in the data with this name.",
        "matches": "The RE2 pattern matches the whole value.",
        "starts_with": "The value starts with this.",
        "ends_with": "The value ends with this.",
        "contains": "The value contains this.",
        "at_least": "The value is this or more.",
        "at_most": "The value is this or less.",
        "above": "The value is more than this.",
        "below": "The value is less than this.",
        "same_as": "The value equals that of another field; for numbers, `within` allows a difference.",
        "taken": "true: an accepted or pending request of another owner has the same value in this field.",
        "present": "true: the field has a value that is not blank; false: it does not.",
        "every": "With `split`: every part of the answer passes this test; false without any part.",
        "some": "With `split`: at least one part passes this test. Not sufficient for an accept rule.",
    }
)
MODIFIERS: Mapping[str, str] = MappingProxyType(
    {
        "clean": "How the value and the values to compare with are cleaned: one cleaning, or a list in order.",
        "as": "Reads a custom field as a number or a date.",
        "within": "The allowed difference between two numbers.",
        "split": "The separators of an answer with several values, for example [';', '/', newline].",
    }
)
CLEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "points": "removes points and commas, for ids that really have them; put it before digits: [points, digits]",
        "digits": "keeps 0 to 9 only",
        "letters_digits": "keeps letters and digits only",
        "no_spaces": "removes all white space",
        "no_leading_zeros": "removes leading zeros",
        "fold_case": "ignores upper and lower case",
        "first N": "keeps the first N characters",
        "last N": "keeps the last N characters",
        "zero_fill N": "adds leading zeros up to N characters; a blank value stays blank",
    }
)
FILTERS: Mapping[str, str] = MappingProxyType(
    {
        "last4": "the last four letters or digits; the last two if there are fewer than eight",
        "mask": "an asterisk for each letter or digit that `last4` would not show",
        "upper": "upper case",
        "title": "title case",
        "or TEXT": "this text if there is no value",
    }
)
CASE: Mapping[str, str] = MappingProxyType(
    {
        "about": "Required: a one-line description of the case.",
        "request": "Required: `kind` and the fields of the request; or xml: FILE, a pending list.",
        "facts": "Facts that the request does not carry: {property.share: pending, account.connected: true}.",
        "data": "For each source, a list of keys or rows, or unavailable.",
        "now": "The time, for example 2026-03-04T12:00:00Z.",
        "expect": "Required: the verdict and the rule that must decide: {verdict: accept, rule: known-customer}.",
    }
)
EXPECT: Mapping[str, str] = MappingProxyType(
    {
        "verdict": "Required: accept, reject or hold.",
        "rule": "Required: the rule that must decide, or hold because it is unknown; default if no rule does.",
        "unknown": "The field or data that must be unknown, or a list of them.",
        "note": "The note that the customer must get; none for no note.",
    }
)

_ADDRESS: Mapping[str, str] = MappingProxyType(
    {
        "line1": "first line of the address",
        "line2": "second line of the address",
        "city": "city",
        "county": "county",
        "postal_code": "postal code",
        "state": "state or province, for example IL",
        "other_state": "state or province outside the US and Canada",
        "country": "country, for example US",
    }
)
_OWNER = "the owner's"
_ON_SHARES = "; for a share, taken from the connection, otherwise unknown"
_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "kind": "connection, property or meter",
        "id": "the id of the request, used to answer it",
        "account.id": "the id of the owner (property data administrator)",
        "account.username": "the username of the owner (property data administrator)",
        "account.first_name": f"{_OWNER} first name{_ON_SHARES}",
        "account.last_name": f"{_OWNER} last name{_ON_SHARES}",
        "account.email": f"{_OWNER} e-mail address{_ON_SHARES}",
        "account.phone": f"{_OWNER} telephone number{_ON_SHARES}",
        "account.job_title": f"{_OWNER} job title{_ON_SHARES}",
        "account.organization": f"{_OWNER} organization{_ON_SHARES}",
        "account.email_domain": f"the domain of {_OWNER} e-mail address, in lower case{_ON_SHARES}",
        "account.connected": "whether the owner is connected with you",
        "sender.id": "the id of the account that sent the request",
        "sender.username": "the username of the account that sent the request",
        "forwarded": "whether the sender is not the owner",
        "requested_at": "the time of the request",
        "age": "the time since the request",
        "held_for": "how long the current rule (or the default) has held the request",
        "access_level": "Read, or Read Write, which Portfolio Manager shows as Full Access",
        "property.id": "the id of the property",
        "property.name": "the property's name",
        "property.primary_function": "the primary function, for example Office",
        "property.construction_status": "Existing, Project or Test",
        "property.gross_floor_area": "the gross floor area in square feet",
        "property.year_built": "the year of construction",
        "property.number_of_buildings": "the number of buildings",
        "property.occupancy": "the occupancy in percent",
        "property.is_federal": "whether it is a US federal property",
        "property.is_institutional": "whether it is a Canadian institutional property",
        "property.share": "whether the meter's property is shared with you: none, pending or shared",
        "property.verdict": "the verdict on the meter's property share, while it is pending",
        "meter.name": "the meter's name",
        "meter.type": "the meter type in EPA's spelling, for example Electric or Natural Gas",
        "meter.category": "energy (includes water) or waste",
        "meter.unit": "the unit, for example kWh (thousand Watt-hours)",
        "meter.metered": "whether it is metered",
        "meter.in_use": "whether it is in use",
        "meter.first_bill_date": "the date of the first bill",
        "meter.inactive_date": "the date since which it is not in use",
        "meter.aggregate": "whether it is an aggregate meter",
    }
)
CUSTOM_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "custom.": "the customer's answer; NAME is the name of your custom field, in upper or lower case",
        "connection.custom.": "the owner's answer when connecting",
        "property.custom.": "the answer in the pending share of the meter's property; unknown if none is pending",
    }
)


def field_meaning(name: str) -> str:
    """A short description of a field."""
    prefix = next((each for each in CUSTOM if name.startswith(each)), None)
    if prefix:
        return CUSTOM_FIELDS[prefix]
    holder, _, part = name.partition(".address.")
    if part:
        whose = _OWNER if holder == "account" else "the property's"
        return f"{whose} {_ADDRESS[part]}{_ON_SHARES if holder == 'account' else ''}"
    return _FIELDS[name]


def described() -> frozenset[str]:
    """The names of the fields with a description, to compare with the fields that exist."""
    addresses = {f"{holder}.address.{part}" for holder in ("account", "property") for part in _ADDRESS}
    return frozenset({*_FIELDS, *(addresses if set(_ADDRESS) == set(Address.__dataclass_fields__) else ())})
