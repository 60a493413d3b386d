"""Parses the XML of Portfolio Manager into typed values: by element name, never by position, and leniently.

`document` opens XML safely, `element_reader` reads the children of an element, `pending` parses the pending lists, and
`answers` parses everything else. An untrustworthy document raises `errors.DocumentRefused`; one bad element never does.
"""

from __future__ import annotations

from pm_autoaccept.parse.document import MAX_BYTES, MAX_DEPTH, MAX_MARKS
from pm_autoaccept.parse.facts import (
    Hierarchy,
    parse_account,
    parse_custom_field,
    parse_custom_field_links,
    parse_custom_field_values,
    parse_customer,
    parse_customer_list,
    parse_hierarchy,
    parse_notifications,
    parse_property_links,
)
from pm_autoaccept.parse.pending import parse_pending_page, replace_answers
from pm_autoaccept.parse.response_envelope import Link, Response, ServiceError, parse_response

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_MARKS",
    "Hierarchy",
    "Link",
    "Response",
    "ServiceError",
    "parse_account",
    "parse_custom_field",
    "parse_custom_field_links",
    "parse_custom_field_values",
    "parse_customer",
    "parse_customer_list",
    "parse_hierarchy",
    "parse_notifications",
    "parse_pending_page",
    "parse_property_links",
    "parse_response",
    "replace_answers",
]
