"""Bytes to typed values: every document that Portfolio Manager sends, read by name and leniently.

`document` opens bytes safely, `reading` reads one element's children, `pending` the pending lists, `answers` all else.
A document that cannot be trusted as a whole raises `errors.DocumentRefused`; one strange element never does.
"""

from __future__ import annotations

from pm_autoaccept.parse.answers import (
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
from pm_autoaccept.parse.document import MAX_BYTES, MAX_DEPTH, MAX_MARKS
from pm_autoaccept.parse.pending import parse_pending_page, replace_answers
from pm_autoaccept.parse.response import Link, Response, ServiceError, parse_response

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
