"""The services that change something: the provider's answers and customers' requests (docs/protocol.md#services)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pm_autoaccept.model import Kind, RequestKey
from pm_autoaccept.simulator import customer_actions, provider_actions, request_validation, response_bodies
from pm_autoaccept.simulator.error_answers import Refusal, access_denied, not_found
from pm_autoaccept.simulator.service_call import Answer, Asked
from pm_autoaccept.simulator.world import Access, Effect


def _ok(effects: tuple[Effect, ...]) -> Answer:
    return Answer(response_bodies.ok(), effects)


def _answer(kind: Kind, id_name: str, asked: Asked) -> Answer:
    action, _ = request_validation.sharing_response(asked.body)
    key = RequestKey(kind, asked.ids[id_name])
    return _ok(provider_actions.answer(asked.world, key, action, inferred=asked.inferred))


def _unshare(kind: Kind, id_name: str, asked: Asked) -> Answer:
    request_validation.terminate_sharing_response(asked.body)
    return _ok(provider_actions.unshare(asked.world, RequestKey(kind, asked.ids[id_name]), inferred=asked.inferred))


def _disconnect(asked: Asked) -> Answer:
    request_validation.terminate_sharing_response(asked.body)
    keep = asked.query.get("keepShares", "false").lower() == "true"
    return _ok(
        provider_actions.disconnect(asked.world, asked.ids["accountId"], keep_shares=keep, inferred=asked.inferred)
    )


def _check_recipient(asked: Asked) -> None:
    if asked.ids["dxAccountId"] != asked.world.provider.id:
        raise not_found()


def _own(asked: Asked, kind: Kind, id_name: str) -> RequestKey:
    """The caller's own property or meter, or one that the caller may forward."""
    key, id_ = RequestKey(kind, asked.ids[id_name]), asked.ids[id_name]
    if id_ not in (asked.world.meters if kind is Kind.METER else asked.world.properties):
        raise not_found()
    home = asked.world.property_of(key)
    if asked.caller.id not in {home.owner, *home.forwarders}:
        raise access_denied()
    return key


def _invite_account(asked: Asked) -> Answer:
    _check_recipient(asked)
    return _ok(customer_actions.connect(asked.world, asked.caller.id, now=asked.now, inferred=asked.inferred))


def _invite_share(kind: Kind, id_name: str, asked: Asked) -> Answer:
    _check_recipient(asked)
    spelt = {"READ": Access.READ, "READ_WRITE": Access.READ_WRITE}  # not as in XML (docs/protocol.md#access-level)
    access = spelt.get(asked.query.get("accessLevel", "READ_WRITE"))
    if access is None:
        raise Refusal(400, "accessLevel must be READ or READ_WRITE")
    return _ok(
        customer_actions.share(
            asked.world,
            _own(asked, kind, id_name),
            sender=asked.caller.id,
            access=access,
            now=asked.now,
            inferred=asked.inferred,
        )
    )


def _put_account_values(asked: Asked) -> Answer:
    _check_recipient(asked)
    key = RequestKey(Kind.CONNECTION, asked.caller.id)
    return _ok(customer_actions.give_values(asked.world, key, request_validation.custom_field_list(asked.body)))


def _put_values(kind: Kind, id_name: str, asked: Asked) -> Answer:
    _check_recipient(asked)
    key = _own(asked, kind, id_name)
    return _ok(customer_actions.give_values(asked.world, key, request_validation.custom_field_list(asked.body)))


def changing() -> dict[str, Callable[[Asked], Answer]]:
    """What answers each service that changes something, by the service's name."""
    return {
        "answer_connection": partial(_answer, Kind.CONNECTION, "accountId"),
        "answer_property": partial(_answer, Kind.PROPERTY, "propertyId"),
        "answer_meter": partial(_answer, Kind.METER, "meterId"),
        "disconnect": _disconnect,
        "unshare_property": partial(_unshare, Kind.PROPERTY, "propertyId"),
        "unshare_meter": partial(_unshare, Kind.METER, "meterId"),
        "invite_account": _invite_account,
        "invite_property": partial(_invite_share, Kind.PROPERTY, "propertyId"),
        "invite_meter": partial(_invite_share, Kind.METER, "meterId"),
        "put_account_values": _put_account_values,
        "put_property_values": partial(_put_values, Kind.PROPERTY, "propertyId"),
        "put_meter_values": partial(_put_values, Kind.METER, "meterId"),
    }
