"""What a webhook is told: the words of the mail, and an identity by which a pager triggers and resolves."""

import msgspec

from .letter import Letter
from .message import Brief, alert_href, run_href

_MOST_ALERTS = 100


def hook_body(brief: Brief, letter: Letter) -> str:
    """Return the JSON of a notice; ``event_action`` and ``dedup_key`` are those of PagerDuty's events, version 2."""
    alert = brief.alert
    body = {
        "event_action": "resolve" if brief.notice.kind == "resolved" else "trigger",
        "dedup_key": alert.fingerprint,
        "kind": brief.notice.kind,
        "payload": {"summary": letter.subject, "severity": alert.severity, "source": alert.agent or "clew", "class": alert.rule},
        "alert": {"id": alert.id, "rule": alert.rule, "agent": alert.agent, "subject": alert.subject, "sentence": letter.headline},
        "links": [{"href": alert_href(brief.desk, alert), "text": f"incident {alert.id}"}],
        "runs": [
            {"trace_id": run.trace_id.hex(), "run_id": run.run_id.hex(), "href": run_href(brief.desk, run)}
            for run, _ in brief.case.runs[:10]
        ],
        "alerts": [{"id": one.id, "dedup_key": one.fingerprint, "rule": one.rule, "agent": one.agent, "severity": one.severity}
                   for one in brief.notice.alerts[:_MOST_ALERTS]],
    }  # fmt: skip
    return msgspec.json.encode(body).decode()
