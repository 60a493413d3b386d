"""The judge: the simulator's log and world beside the ledger's rows, request by request.

It knows nothing of how the program works: what was asked and how it ended stand in the log, and a row must not claim
what the log denies. It is the little brother of `tests/property/agreement.py`, for programs that were killed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeAlias

Key: TypeAlias = tuple[str, int]
Call: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]

SERVICES = {"answer_connection": "connection", "answer_property": "property", "answer_meter": "meter"}
LISTS = {
    "list_pending_connections": "connection",
    "list_pending_properties": "property",
    "list_pending_meters": "meter",
}
ACTIONS = {"active": "Accept", "rejected": "Reject"}
TOO_FAST = 429
ALMOST = timedelta(seconds=1)
"""A request's own time and the log's lie closer together than this; two requests of one key lie further apart."""


class End(StrEnum):
    """How a request ended."""

    PENDING = "it pends still"
    OURS = "our own answer"
    CARRIED = "it was accepted along with an accept of ours"
    FELL = "it was rejected along with a reject of ours"
    CUSTOMER = "its customer ended it"


TRUE_OF: Mapping[End, frozenset[str | None]] = {
    End.PENDING: frozenset({None, "refused", "open"}),
    End.OURS: frozenset({"done", "done_inferred", "gone"}),
    End.CARRIED: frozenset({"gone", "done_inferred", "settled_elsewhere"}),
    End.FELL: frozenset({"fallen", "gone"}),
    End.CUSTOMER: frozenset({"settled_elsewhere", "gone"}),
}
"""The outcomes that claim nothing that the log denies. `gone` claims only that it pends no more."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One request, from when it was asked to its end."""

    key: Key
    asked_at: datetime
    place: int
    end: End = End.PENDING
    to: str = "pending"
    by: Call | None = None
    row: Row | None = None
    posts: list[Call] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.key[0]}:{self.key[1]} asked at {self.asked_at.time()}"


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What is wrong, one sentence each, and what was counted on the way."""

    answered_twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    denied: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> list[str]:
        """All of it."""
        return [*self.answered_twice, *self.lost, *self.denied]


def judge(*, before: Mapping[str, Any], log: Sequence[Call], rows: Iterable[Row], since: int = 0) -> Verdict:
    """Compare.

    Args:
        before: the world as the switchboard showed it in the beginning.
        log: every call.
        rows: what `decisions --output json` lists.
        since: the number of the last call before the program first ran; what ended until then it never saw.
    """
    verdict = Verdict()
    requests = [each for each in _requests(before, log) if each.end is End.PENDING or _number(each.by) > since]
    by_key = defaultdict(list)
    for request in requests:
        by_key[request.key].append(request)
    for row in rows:
        _give(row, by_key[row["kind"], row["id"]], verdict)
    for call in log:
        if call["service"] in SERVICES:
            _meant(call, by_key[_key_of(call)])
    case = _Case(by_key, _begun(log), verdict)
    for request in requests:
        verdict.figures["requests"] += 1
        verdict.figures[f"end: {request.end}"] += 1
        case.answered(request)
        case.claimed(request)
    return verdict


def _requests(before: Mapping[str, Any], log: Sequence[Call]) -> list[Request]:
    """Every request that ever pended, its end being the first effect upon it in the order of processing."""
    every: list[Request] = []
    pending: dict[Key, Request] = {}
    for plural, kind in (("connections", "connection"), ("properties", "property"), ("meters", "meter")):
        for tie in before[plural]:
            if tie["state"] == "pending":
                key = (kind, tie["id"])
                pending[key] = Request(key=key, asked_at=datetime.fromisoformat(tie["asked_at"]), place=0)
                every.append(pending[key])
    for call in sorted((call for call in log if call["processed"] is not None), key=lambda call: call["processed"]):
        for effect in call["effect"]:
            if effect["what"] != "state":
                continue
            key = (effect["kind"], effect["id"])
            if effect["from"] == "pending":
                ended = pending.pop(key)
                ended.end, ended.to, ended.by = _end(call, effect), effect["to"], call
            if effect["to"] == "pending":
                asked_at = datetime.fromisoformat(call["at"])
                pending[key] = Request(key=key, asked_at=asked_at, place=call["number"])
                every.append(pending[key])
    return every


def _end(call: Call, effect: Mapping[str, Any]) -> End:
    if call["service"] not in SERVICES:
        return End.CUSTOMER
    if not effect["cascade"]:
        return End.OURS
    return End.CARRIED if effect["to"] == "active" else End.FELL


def _key_of(call: Call) -> Key:
    return SERVICES[call["service"]], int(call["path"].rpartition("/")[2])


def _number(call: Call | None) -> int:
    return 0 if call is None else int(call["number"])


def _give(row: Row, requests: list[Request], verdict: Verdict) -> None:
    """Give a row to the request that it is of."""
    at = datetime.fromisoformat(row["requested_at"])
    mine = [each for each in requests if abs(each.asked_at - at) < ALMOST]
    if len(mine) != 1:
        verdict.denied.append(f"the ledger has a row of {row['kind']}:{row['id']}, which nobody asked for at {at}")
    elif mine[0].row is not None:
        verdict.denied.append(f"the ledger has two rows of {mine[0]}")
    else:
        mine[0].row = row


def _meant(call: Call, requests: list[Request]) -> None:
    """Give a POST to the request that had been asked last when it came."""
    asked = [each for each in requests if each.place < call["number"]]
    if asked:
        asked[-1].posts.append(call)


def _begun(log: Sequence[Call]) -> dict[str, list[int]]:
    """Kind → the numbers of the calls with which its list was begun to be read."""
    begun: dict[str, list[int]] = {kind: [] for kind in LISTS.values()}
    for call in log:
        if call["service"] in LISTS and call["path"].endswith("page=1"):
            begun[LISTS[call["service"]]].append(call["number"])
    return begun


@dataclass(slots=True)
class _Case:
    """All requests by key, and when which list was read."""

    by_key: Mapping[Key, list[Request]]
    begun: Mapping[str, list[int]]
    verdict: Verdict

    def answered(self, request: Request) -> None:
        """Two answers that were taken, or one without an intent, and how many were sent."""
        figures, denied = self.verdict.figures, self.verdict.denied
        taken = [call for call in request.posts if any(each["what"] == "state" for each in call["effect"])]
        if len(taken) > 1:
            self.verdict.answered_twice.append(f"{request} was answered {len(taken)} times")
        # A 429 says that it was not processed: it is safe to repeat, and no second answer.
        attempts = [call for call in request.posts if call["status"] != TOO_FAST]
        figures["POSTs"] += len(request.posts)
        figures["sent twice"] += len(attempts) > 1
        figures["POSTs beyond the first"] += max(0, len(attempts) - 1)
        row, by = request.row, request.by
        if by is not None and request.end is End.CARRIED and not self._unseen(request, by):
            denied.append(f"{request} was carried along by {by['path']}, and stood in a list before")
        if by is None or request.end is not End.OURS:
            return
        if row is None or row["answer"] is None:
            if self._unseen(request, by):
                figures["an answer met what was asked in the window"] += 1
            else:
                denied.append(f"{request} was answered, and the ledger has no intent of it")
        elif row["answer"] != ACTIONS[request.to]:
            denied.append(f"{request} is {request.to}, and its row says that {row['answer']} was sent")
        elif row["answer"].lower() != row["verdict"]:
            denied.append(f"{request} was sent {row['answer']}, decided {row['verdict']}")

    def claimed(self, request: Request) -> None:
        """A row's claim beside the end, and whether a request that pends still is explained."""
        row = request.row
        outcome = row["outcome"] if row else None
        self.verdict.figures[f"outcome: {outcome if row else 'no row'}"] += 1
        if request.end is End.PENDING:
            why = _unexplained(row)
            if why is not None:
                self.verdict.lost.append(f"{request} pends, and {why}")
        elif row is not None and outcome not in TRUE_OF[request.end] and not self._admitted(request, row):
            by = request.by
            how = "" if by is None else f" ({by['method']} {by['path']}, call {by['number']})"
            self.verdict.denied.append(f"the row of {request} says {outcome}, and: {request.end}{how}")

    def _unseen(self, request: Request, by: Call) -> bool:
        """Whether it was asked after the reading of its list had begun (docs/architecture.md#promise-1)."""
        return request.place > self._last_list(request.key[0], by)

    def _last_list(self, kind: str, by: Call) -> int:
        begun = self.begun[kind]
        place = bisect_left(begun, by["number"])
        return begun[place - 1] if place else 0

    def _admitted(self, request: Request, row: Row) -> bool:
        """What nobody could know, since a customer acted between the list and the POST, and a POST names only an id.

        An answer met another request, asked with the same id right before; or it fell with a reject of ours, if its
        customer had not been quicker.
        """
        if request.end is not End.CUSTOMER or request.by is None:
            return False
        if row["outcome"] == "fallen":
            kind, _, number = row["cause"].partition(":")
            above = self.by_key[kind, int(number)]
            return any(
                each.by is not None
                and each.end is End.OURS
                and request.by["number"] > self._last_list(request.key[0], each.by)
                for each in above
            )
        later = [each for each in self.by_key[request.key] if each.place > request.place]
        return any(each.by is not None and each.end is End.OURS and self._unseen(each, each.by) for each in later)


def _unexplained(row: Row | None) -> str | None:
    """Why a request that pends in the end is lost; None where the ledger explains it."""
    if row is None:
        return "the ledger has no row of it"
    if row["outcome"] == "open":
        return "what became of the answer to it was never settled"
    if row["outcome"] not in {None, "refused"}:
        return f"its row says {row['outcome']}"
    if row["outcome"] is None and row["verdict"] != "hold" and row["kept_back"] is None:
        return f"nothing says why it was not answered: {row['verdict']} by {row['rule']}"
    return None
