"""What the verbs hand to each other: frozen values, without behaviour beyond naming themselves.

poll brings a `Snapshot` of `PendingRequest`s and facts; decide makes a `Decision` of each; plan makes a `Plan` of
`Step`s; act brings a `Receipt` for each step.
"""

from __future__ import annotations

from pm_autoaccept.model.claims import ANY, Claim, Claimed, Claims
from pm_autoaccept.model.decisions import (
    Action,
    Decision,
    Evidence,
    Facts,
    Held,
    Mode,
    PropertyShare,
    Reason,
    ReasonKind,
    Shadow,
    SourceUse,
    Truth,
    Verdict,
)
from pm_autoaccept.model.plans import (
    History,
    KeptBack,
    Limit,
    Outcome,
    Plan,
    Receipt,
    Standing,
    Step,
    Tally,
)
from pm_autoaccept.model.recalled import Memory, Recalled
from pm_autoaccept.model.requests import (
    AccountInfo,
    Address,
    CustomField,
    CustomFieldDefinition,
    Kind,
    MeterInfo,
    PendingRequest,
    PropertyInfo,
    RequestKey,
)
from pm_autoaccept.model.revisions import PolicyRevision, Remembered
from pm_autoaccept.model.snapshot import (
    NOT_ASKED_FOR,
    Fact,
    Need,
    Notification,
    NotLearnt,
    PendingList,
    PendingPage,
    ProviderAccount,
    Snapshot,
    Unreadable,
)
from pm_autoaccept.model.ties import Finding, FindingKind, Origin, Removal, Watched, command_that_removes

__all__ = [
    "ANY",
    "NOT_ASKED_FOR",
    "AccountInfo",
    "Action",
    "Address",
    "Claim",
    "Claimed",
    "Claims",
    "CustomField",
    "CustomFieldDefinition",
    "Decision",
    "Evidence",
    "Fact",
    "Facts",
    "Finding",
    "FindingKind",
    "Held",
    "History",
    "KeptBack",
    "Kind",
    "Limit",
    "Memory",
    "MeterInfo",
    "Mode",
    "Need",
    "NotLearnt",
    "Notification",
    "Origin",
    "Outcome",
    "PendingList",
    "PendingPage",
    "PendingRequest",
    "Plan",
    "PolicyRevision",
    "PropertyInfo",
    "PropertyShare",
    "ProviderAccount",
    "Reason",
    "ReasonKind",
    "Recalled",
    "Receipt",
    "Remembered",
    "Removal",
    "RequestKey",
    "Shadow",
    "Snapshot",
    "SourceUse",
    "Standing",
    "Step",
    "Tally",
    "Truth",
    "Unreadable",
    "Verdict",
    "Watched",
    "command_that_removes",
]
