"""What the simulator's tests share: accounts, states, and what comes back from a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from pm_autoaccept.model import AccountInfo, Address, Kind, RequestKey
from pm_autoaccept.simulator import Access, Simulator, State, Tie, World
from pm_autoaccept.simulator.world import Account

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


def account(id_: int, username: str) -> Account:
    """An account with all that EPA's schema demands."""
    address = Address(line1="77 Dock Road", city="Portland", state="OR", postal_code="97205", country="US")
    info = AccountInfo(
        first_name="Ines",
        last_name="Okafor",
        email=f"{username}@riverside.example",
        phone="503-555-0142",
        job_title="Engineer",
        organization="Riverside",
        address=address,
    )
    return Account(id=id_, username=username, password=f"Sim-{username}-1", info=info)


def put(world: World, kind: str, id_: int, state: State, *, access: Access = Access.READ_WRITE) -> None:
    """Let something stand so, asked for by its owner."""
    key = RequestKey(Kind(kind), id_)
    shared = None if key.kind is Kind.CONNECTION else access
    world.add(Tie(key=key, state=state, sender=world.owner_of(key), asked_at=NOW, access=shared))


def states(world: World) -> dict[str, str]:
    """Everything that was ever asked for, without the consultant's connection."""
    return {str(key): tie.state.value for key, tie in world.ties.items() if key.id != 9}


@dataclass(frozen=True, slots=True)
class Came:
    """What came back from a call."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def xml(self) -> etree._Element:
        """The body, parsed."""
        return etree.fromstring(self.body)

    @property
    def error(self) -> tuple[str | None, str | None]:
        """The error's number and text."""
        found = self.xml.find("errors/error")
        assert found is not None
        return found.get("errorNumber"), found.get("errorDescription")

    @property
    def ids(self) -> list[int]:
        """The ids of the requests in a pending list."""
        return [int(each[0].text) for each in self.xml if each.tag != "links"]


Ask = Callable[..., Awaitable[Came]]
Serve = Callable[..., Awaitable[tuple[Simulator, Ask]]]

ACCEPT = b"<sharingResponse><action>Accept</action></sharingResponse>"
REJECT = b"<sharingResponse><action>Reject</action><note>No.</note></sharingResponse>"
TERMINATE = b"<terminateSharingResponse/>"
