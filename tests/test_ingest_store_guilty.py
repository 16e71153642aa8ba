"""Which step of a run that contributes to an alert about many is looked at first."""

from typing import Any

import pytest

from ingest.model import Span
from ingest.store.alert_model import Alert, AlertRun
from ingest.store.blame import contributing_runs
from ingest.store.engine import Store
from webui.alerts.message import run_href

from .alert_play import DESK, MINUTE, Night, looping
from .builders import span_id
from .wire import agent_span, in_trace, llm_span, tool_span


@pytest.fixture
def night(store: Store) -> Night:
    return Night(store)


def about(night: Night, rule: str, subject: str, agent: str = "clerk") -> Alert:
    """Return an alert about many runs of an agent, as of now."""
    return Alert(
        id=1, project_id=1, fingerprint="f", rule=rule, agent=agent, subject=subject, state="firing", severity="warning", observed=2.0,
        threshold=1.0, sentence="", detail="", expected="", opened_ns=night.now_ns, active_ns=night.now_ns, changed_ns=night.now_ns,
    )  # fmt: skip


def worked(number: int, *steps: Span, **root: Any) -> list[Span]:
    return in_trace([agent_span(1, "clerk", lasts=100, **root), *steps], bytes([number]) * 16)


def blamed(night: Night, rule: str, subject: str, agent: str = "clerk") -> list[AlertRun]:
    with night.store.engine.connect() as conn:
        return contributing_runs(conn, about(night, rule, subject, agent), night.now_ns)


STEPS = (
    llm_span(2, 1, at=1, lasts=2, tokens=(90, 10)),
    llm_span(3, 1, at=4, lasts=3, tokens=(900, 100)),
    tool_span(4, "get_weather", 1, at=8, lasts=40, status_code=2, status_message="no answer"),
    tool_span(5, "get_time", 1, at=50, lasts=1),
)


@pytest.mark.parametrize(
    ("rule", "subject", "step", "words"),
    [("A1", "duration", 4, "took longest"), ("A3", "duration", 4, "took longest"), ("A1", "cost", 3, "used most tokens"),
     ("A1", "tokens", 3, "used most tokens"), ("A3", "cost", 3, "used most tokens"), ("A2", "failed runs", 4, "get_weather failed")],
)  # fmt: skip
def test_the_step_fits_what_the_alert_is_about(night: Night, rule: str, subject: str, step: int, words: str) -> None:
    """What failed of failures, what took longest of duration, what used most of money and tokens."""
    night.arrive(worked(1, *STEPS, status_code=2, status_message="no answer"))
    (run,) = blamed(night, rule, subject)
    assert run.spans == span_id(step)
    assert words in run.sentence
    assert run_href(DESK, run).endswith(f"step={span_id(step).hex()}")


def test_what_a_rule_found_in_the_run_comes_first(night: Night) -> None:
    """The loop is why it was dear, not its largest call."""
    night.arrive(looping(7, 9))
    (run,) = blamed(night, "A1", "cost", "billing-bot")
    assert "same arguments" in run.sentence
    assert len(run.spans) > 8


def test_a_run_without_such_a_step_is_named_as_a_whole(night: Night) -> None:
    """Nor is a step of its trace blamed on a run that is one of several in it."""
    night.arrive(worked(1, tool_span(2, "get_time", 1, at=1)))
    (run,) = blamed(night, "A1", "tokens")
    assert (run.spans, run.sentence) == (run.run_id, "")

    nested = [agent_span(9, "helper", 1, at=2, lasts=50), llm_span(10, 9, at=3, lasts=9)]
    night.arrive(worked(2, llm_span(3, 1, at=60, lasts=30), *nested))
    (inner,) = blamed(night, "A1", "duration", "helper")
    assert (inner.spans, inner.sentence) == (inner.run_id, "")


def test_a_budget_names_whole_traces(night: Night) -> None:
    """Alerts about a project have runs of all agents, the dearest first."""
    for number, tokens in ((1, 100), (2, 9_000), (3, 500)):
        night.arrive(worked(number, llm_span(2, 1, at=1, tokens=(tokens, 10))))
        night.tick(MINUTE)
    found = blamed(night, "B4", "spend", "")
    assert [one.trace_id[0] for one in found] == [2, 3, 1]
    assert all(one.spans == span_id(2) for one in found)
