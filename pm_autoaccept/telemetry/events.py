"""Log events for people: undecided shares and connections, changes by customers, decisions that notify a group."""

from __future__ import annotations

import structlog

from pm_autoaccept.model import Decision, Finding, FindingKind, VoidedAnswer

log = structlog.get_logger()


def log_finding(finding: Finding) -> None:
    """Log a finding as the event of its kind. What a person should look at is a warning."""
    about = {"about": str(finding.key) if finding.key else None, "text": finding.text, "remove": finding.command}
    fields = {name: value for name, value in about.items() if value is not None}
    match finding.kind:
        case FindingKind.CAME_IN_UNDECIDED:
            log.warning("undecided_share_found", **fields)
        case FindingKind.CONNECTION_ENDED:
            log.info("connection_ended", **fields)
        case FindingKind.SHARE_ENDED:
            log.info("share_ended", **fields)
        case FindingKind.ACCESS_LOWERED:
            log.warning("access_lowered", **fields)
        case FindingKind.ACCESS_CHANGED:
            log.info("access_changed", **fields)
        case FindingKind.OWNER_CHANGED:
            log.info("owner_changed", **fields)
        case FindingKind.NOTIFICATION_NOTED:
            log.warning("notification_noted", **fields)


def log_voided_answer(voided: VoidedAnswer) -> None:
    """Log `human_answer_void`: an answer by people will not be sent, and the request is back in the queue."""
    log.warning(
        "human_answer_void",
        request=str(voided.key),
        answer=voided.action,
        answered_by=list(voided.people),
        why=voided.why,
    )


def log_notify_group(decision: Decision) -> None:
    """Log `notify_group` if the rule that decided names a group to notify."""
    if decision.tell is not None:
        what = {"request": str(decision.key), "verdict": decision.verdict, "rule": decision.rule}
        log.info("notify_group", group=decision.tell, text=decision.reason.text, **what)
