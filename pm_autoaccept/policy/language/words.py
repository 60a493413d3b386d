"""What each name of the policy language means, in one line: for editors, and for the reference page."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pm_autoaccept.model import Address
from pm_autoaccept.policy.fields import CUSTOM

FILE: Mapping[str, str] = MappingProxyType(
    {
        "version": "Required, in each file: 1.",
        "time_zone": "In which days begin and end, as America/Chicago; UTC unless said. In one file only.",
        "private": "Custom fields that are tested but never shown, as [custom.Share Key]. In one file only.",
        "data": "Lists and tables of your own in which rules look values up: a name, below it where the rows stand.",
        "rules": "Tried from top to bottom; the first one that is true decides. A list; each rule begins with a dash.",
        "default": "What is said where no rule is true; hold unless said. In one file only.",
        "limits": "How many answers leave in a period: {accept: 500 per 1h, reject: 50 per 1d}, or none. In one file.",
    }
)
RULE: Mapping[str, str] = MappingProxyType(
    {
        "id": "Required: lower-case words joined by hyphens, as known-customer. It stands in every record and message.",
        "about": "One line for people; it becomes the reason on record.",
        "on": "Required: connection, property or meter, or a list of them.",
        "when": "Required: the conditions, all of which must hold; always for a rule without one.",
        "then": "Required: accept, reject or hold.",
        "note": "What the customer reads, at most 1,000 characters; {field|or TEXT} puts a value in, or a stand-in.",
        "tell": "A group of people, named in the settings, who are told once when the rule decides.",
        "expire": "For hold: when waiting ends, as {after: 30d, then: reject, note: Please share again.}",
        "enforce": "false: the rule decides nothing; what it would have decided is recorded and counted.",
        "until": "The last day on which the rule applies, as 2026-06-30.",
        "i_accept_everyone": "true: this accept lets in whom it does not ask about.",
    }
)
DEFAULT: Mapping[str, str] = MappingProxyType(
    {
        "then": "Required: accept, reject or hold.",
        "note": "What the customer reads; a field that may be absent needs {field|or TEXT}.",
        "expire": "For hold: when waiting ends, as {after: 30d, then: reject}.",
        "i_accept_everyone": "true: whoever no rule is about is let in.",
    }
)
EXPIRE: Mapping[str, str] = MappingProxyType(
    {
        "after": "Required: for how long the same rule must have held it, as 30d.",
        "then": "Required: reject. Nothing is ever accepted by waiting.",
        "note": "What the customer reads then.",
    }
)
DATA: Mapping[str, str] = MappingProxyType(
    {
        "values": "The keys themselves, as [green_consult, watt_watchers].",
        "lines": "A text file with one key a line, by its path from the policy folder.",
        "csv": "A csv file with a header, by its path from the policy folder; `key` names the key column.",
        "sql": "A query on a connection that the settings name: {connection: billing, query: select …}.",
        "url": "An https address that gives csv (with `key`) or one key a line.",
        "key": "The key column, or a list of them.",
        "clean": "How keys, and what is looked up, are cleaned: a cleaning, a list, or a mapping of key columns.",
        "columns": "The columns that `where` may ask beyond the key, each with its type.",
        "refresh": "How often it is read again, as 15m, which is also what holds unless said.",
        "require": "What must be true of it, or what depends on it is unknown: {rows: 1000, age: 2d, shrink: 20%}.",
        "dated": "The column that says when a row was written, from which `age` counts.",
        "separator": "What stands between the cells of csv: ',' unless said, ';', '|', tab.",
        "encoding": "The encoding of a file or an answer: utf-8 unless said, as windows-1252 or utf-16.",
        "dates": "How dates are written, beside 2026-01-31: month/day/year, day/month/year or year/month/day.",
    }
)
REQUIRE: Mapping[str, str] = MappingProxyType(
    {
        "rows": "How many rows there are at least.",
        "age": "How old the contents may be, as 2d.",
        "shrink": "How many percent fewer rows there may be than in the last 7 days, as 20%.",
        "grow": "How many percent more rows there may be than in the last 7 days, as 50%.",
    }
)
LOOKUP: Mapping[str, str] = MappingProxyType(
    {
        "in": "Required: the name of data.",
        "by": "Required: each key column, and the field whose value is looked for there.",
        "where": "Conditions on the columns of the row that is found.",
    }
)
GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "all": "A list of conditions, all of which must hold.",
        "any": "A list of conditions, one of which must hold.",
        "not": "Conditions that must not hold; what the customer left out makes a test false here too.",
        "lookup": "True if the table has the row, and the row passes: {in: TABLE, by: {COLUMN: FIELD}, where: …}.",
    }
)
OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        "equals": "The value is this.",
        "in": "The value is one of these, or a key of the data of this name.",
        "matches": "The RE2 pattern fits the value from its first character to its last.",
        "starts_with": "The value begins so.",
        "ends_with": "The value ends so.",
        "contains": "The value has this in it.",
        "at_least": "The value is this or more.",
        "at_most": "The value is this or less.",
        "above": "The value is more than this.",
        "below": "The value is less than this.",
        "same_as": "The value is that of another field; for numbers, `within` allows a difference.",
        "taken": "true: the same value stands in this field of an accepted or pending request of another owner.",
        "present": "true: the field is there and not blank; false: it is not.",
        "every": "Beside `split`: every part of the answer passes this test; without a part it is false.",
        "some": "Beside `split`: one part passes this test. By itself it lets nobody in.",
    }
)
MODIFIERS: Mapping[str, str] = MappingProxyType(
    {
        "clean": "How the value, and what it is compared with, is cleaned: one cleaning, or a list of them in order.",
        "as": "Reads a custom field as a number or a date.",
        "within": "By how much two numbers may differ that are to be the same.",
        "split": "Where an answer with several values is split, as [';', '/', newline]; beside `every` or `some`.",
    }
)
CLEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "points": "takes out points and commas, where numbers really have them: before digits, as [points, digits]",
        "digits": "keeps 0 to 9 only",
        "letters_digits": "keeps letters and digits only",
        "no_spaces": "takes out all blanks",
        "no_leading_zeros": "takes off zeros at the beginning",
        "fold_case": "makes capitals and small letters the same",
        "first N": "keeps the first N characters",
        "last N": "keeps the last N characters",
        "zero_fill N": "puts zeros before it until it has N characters; what is blank stays blank",
    }
)
FILTERS: Mapping[str, str] = MappingProxyType(
    {
        "last4": "the last four letters or digits; of fewer than eight, the last two",
        "mask": "a star for each letter and digit that `last4` would not show",
        "upper": "in capitals",
        "title": "each word with a capital",
        "or TEXT": "this text where there is no value",
    }
)
CASE: Mapping[str, str] = MappingProxyType(
    {
        "about": "Required: what the case shows, in one line.",
        "request": "Required: `kind`, and the fields that the request carries; or xml: FILE, a pending list.",
        "facts": "What the request does not carry, as {property.share: pending, account.connected: true}.",
        "data": "Of each source a list of keys or rows, or unavailable.",
        "now": "The time, as 2026-03-04T12:00:00Z.",
        "expect": "Required: the verdict, and the rule that must decide: {verdict: accept, rule: known-customer}.",
    }
)
EXPECT: Mapping[str, str] = MappingProxyType(
    {
        "verdict": "Required: accept, reject or hold.",
        "rule": "Required: the rule that must decide, or stop the search; default where none does.",
        "unknown": "The field or data that must not be learnt, or a list of them.",
        "note": "The text that the customer must read; none for no note.",
    }
)

_ADDRESS: Mapping[str, str] = MappingProxyType(
    {
        "line1": "first line of the address",
        "line2": "second line of the address",
        "city": "city",
        "county": "county",
        "postal_code": "postal code",
        "state": "state or province, as IL",
        "other_state": "state or province outside the US and Canada",
        "country": "country, as US",
    }
)
_OWNER = "the owner's"
_ON_SHARES = "; on a share as the connection tells it, otherwise unknown"
_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "kind": "connection, property or meter",
        "id": "the number that the answer names",
        "account.id": "the owner (property data administrator), by number",
        "account.username": "the owner (property data administrator), by username",
        "account.first_name": f"{_OWNER} first name{_ON_SHARES}",
        "account.last_name": f"{_OWNER} last name{_ON_SHARES}",
        "account.email": f"{_OWNER} e-mail address{_ON_SHARES}",
        "account.phone": f"{_OWNER} telephone number{_ON_SHARES}",
        "account.job_title": f"{_OWNER} job title{_ON_SHARES}",
        "account.organization": f"{_OWNER} organization{_ON_SHARES}",
        "account.email_domain": f"what follows the @ of {_OWNER} e-mail address, in lower case{_ON_SHARES}",
        "account.connected": "whether the owner is connected with you",
        "sender.id": "who sent it, by number",
        "sender.username": "who sent it, by username",
        "forwarded": "whether the sender is not the owner",
        "requested_at": "when it was asked",
        "age": "since it was asked",
        "held_for": "since the rule (or the default) that holds it began to",
        "access_level": "Read, or Read Write, which people see as Full Access",
        "property.id": "the property, by number",
        "property.name": "the property's name",
        "property.primary_function": "what the property is used for, as Office",
        "property.construction_status": "Existing, Project or Test",
        "property.gross_floor_area": "square feet",
        "property.year_built": "the year",
        "property.number_of_buildings": "how many",
        "property.occupancy": "percent",
        "property.is_federal": "whether it is a US federal property",
        "property.is_institutional": "whether it is a Canadian institutional property",
        "property.share": "how the meter's property stands with you: none, pending, shared",
        "property.verdict": "what was decided of the meter's property, while that share pends",
        "meter.name": "the meter's name",
        "meter.type": "as Electric, Natural Gas, spelt as EPA spells it",
        "meter.category": "energy (water too) or waste",
        "meter.unit": "as kWh (thousand Watt-hours)",
        "meter.metered": "whether it is metered",
        "meter.in_use": "whether it is in use",
        "meter.first_bill_date": "the first bill's date",
        "meter.inactive_date": "since when it is not in use",
        "meter.aggregate": "whether it is an aggregate meter",
    }
)
CUSTOM_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "custom.": "what the customer answered; NAME is your custom field's, capitals do not count",
        "connection.custom.": "what the owner answered when connecting",
        "property.custom.": "what came with the pending share of its property; unknown if none pends",
    }
)


def field_meaning(name: str) -> str:
    """What a field is, in a few words."""
    prefix = next((each for each in CUSTOM if name.startswith(each)), None)
    if prefix:
        return CUSTOM_FIELDS[prefix]
    holder, _, part = name.partition(".address.")
    if part:
        whose = _OWNER if holder == "account" else "the property's"
        return f"{whose} {_ADDRESS[part]}{_ON_SHARES if holder == 'account' else ''}"
    return _FIELDS[name]


def described() -> frozenset[str]:
    """The names of the fields that have words: each that there is, and no other."""
    addresses = {f"{holder}.address.{part}" for holder in ("account", "property") for part in _ADDRESS}
    return frozenset({*_FIELDS, *(addresses if set(_ADDRESS) == set(Address.__dataclass_fields__) else ())})
