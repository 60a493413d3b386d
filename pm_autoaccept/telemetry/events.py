"""One log line for each thing of which people are to be told."""

from __future__ import annotations

import structlog

from pm_autoaccept.model import Decision, Finding, FindingKind

log = structlog.get_logger()


def log_finding(finding: Finding) -> None:
    """Log it under the name of its kind; what people should look at is a warning."""
    about = {"about": str(finding.key) if finding.key else None, "text": finding.text, "remove": finding.command}
    told = {name: value for name, value in about.items() if value is not None}
    match finding.kind:
        case FindingKind.CAME_IN_UNDECIDED:
            log.warning("came_in_undecided", **told)
        case FindingKind.CONNECTION_ENDED:
            log.info("connection_ended", **told)
        case FindingKind.SHARE_ENDED:
            log.info("share_ended", **told)
        case FindingKind.ACCESS_LOWERED:
            log.warning("access_lowered", **told)
        case FindingKind.ACCESS_CHANGED:
            log.info("access_changed", **told)
        case FindingKind.OWNER_CHANGED:
            log.info("owner_changed", **told)
        case FindingKind.NOTIFICATION_NOTED:
            log.warning("notification_noted", **told)


def log_told(decision: Decision) -> None:
    """Log that a group of people is to be told of a decision, if one is."""
    if decision.tell is not None:
        what = {"request": str(decision.key), "verdict": decision.verdict, "rule": decision.rule}
        log.info("people_told", group=decision.tell, text=decision.reason.text, **what)
