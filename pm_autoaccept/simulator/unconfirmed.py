"""Switches for what nobody has confirmed of Portfolio Manager (docs/protocol.md#open-questions), and its lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferred:
    """How the simulator behaves where Portfolio Manager's behaviour is only inferred. Defaults are the best guess.

    Attributes:
        empty_list_has_links: an empty pending list has an empty `<links/>`.
        unknown_pending_id: a POST that answers an id nobody ever asked about: 400/-200, 404 or 403.
        not_connected: a disconnect from an account that is not connected: 400/-200, 403 or 404.
        not_shared: an unshare or a read of what is not shared: 403 or 404.
        property_reject_takes_meters: rejecting a property share also rejects its pending meter shares.
        meter_accept_shares_property: accepting a meter whose property is neither shared nor pending shares that
            property read-only.
        share_accept_connects: accepting a share of an owner who is not connected, and has no connection request
            pending either, connects them all the same.
        forwarded_shares_listed_when_unconnected: pending shares of owners who are not connected stand in the
            lists.
        own_share_needs_connection: an owner without a connection, pending or not, cannot share.
        disconnect_takes_pending: a disconnect with keepShares=false also removes shares that still pend.
        customer_disconnect_keeps_shares: when a customer disconnects, the shares stay.
        values_readable_while_pending: custom-field values can be read while only a request pends.
        order: of the pending lists.
        page_size: how many requests stand on a page. Confirmed as 20: less only makes small worlds long.
        lag: for how many seconds a list shows what does not pend any more. What is asked again meanwhile stands there
            twice, with both contents.
        asked_again_keeps_date: what is asked again has the createdDate that it had before.
        page_beyond_the_end: an empty list, or 404.
        page_below_one: page=0 and less are read as the first page, or answered 404.
        previous_links: later pages also link to the "previous page".
        retry_after: seconds in the Retry-After header of a 429, None for no header.
        unauthorised_body: the body of a 401.
        cleared_shown_again: clear=false also shows notifications that were already cleared.
    """

    empty_list_has_links: bool = False
    unknown_pending_id: Literal["fulfilled", "not_found", "forbidden"] = "fulfilled"
    not_connected: Literal["refused", "forbidden", "not_found"] = "refused"
    not_shared: Literal["forbidden", "not_found"] = "forbidden"
    property_reject_takes_meters: bool = True
    meter_accept_shares_property: bool = True
    share_accept_connects: bool = True
    forwarded_shares_listed_when_unconnected: bool = True
    own_share_needs_connection: bool = True
    disconnect_takes_pending: bool = True
    customer_disconnect_keeps_shares: bool = False
    values_readable_while_pending: bool = False
    order: Literal["oldest_first", "newest_first", "by_id"] = "oldest_first"
    page_size: int = 20
    lag: int = 0
    asked_again_keeps_date: bool = False
    page_beyond_the_end: Literal["empty", "not_found"] = "empty"
    page_below_one: Literal["first", "not_found"] = "first"
    previous_links: bool = True
    retry_after: int | None = None
    unauthorised_body: Literal["html", "xml", "empty"] = "html"
    cleared_shown_again: bool = False
