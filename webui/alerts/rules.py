"""The settings of detectors as a project and its agents have them, and their loading into a worker that is running."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.exc import SQLAlchemyError

from ingest.findings import Finding
from ingest.model import Run
from ingest.store.engine import Store
from ingest.store.watchbook import ALL_RULES, RuleSetting, SettingKey, merged, read_settings
from webui.analysis.detectors.catalogue import CATALOGUE
from webui.analysis.detectors.model import Limits, Rules
from webui.analysis.detectors.registry import inspect_seen, see

from .tally import CallTally

log = logging.getLogger(__name__)

RELOAD_S = 2.0
"""A change of a rule holds for what is linked so much later."""

_MOST_KEPT = 5_000


def rules_of(settings: Mapping[SettingKey, RuleSetting], project_id: int, agent: str) -> Rules:
    """Return the rules of an agent: its own settings where it has any, else the project's, else the defaults."""
    limits: dict[str, Limits] = {}
    off: set[str] = set()
    for rule in CATALOGUE:
        said = merged(settings, project_id, agent, rule.id)
        if said.on is False:
            off.add(rule.id)
        if said.warning is not None or said.critical is not None:
            limits[rule.id] = Limits(
                said.warning if said.warning is not None else rule.limits.warning,
                said.critical if said.critical is not None else rule.limits.critical,
            )
    general = merged(settings, project_id, agent, ALL_RULES)
    defaults = Rules()
    return Rules(
        limits=limits,
        off=frozenset(off),
        polling=frozenset(general.polling),
        high_impact=frozenset(general.high_impact),
        canaries=general.canaries,
        run_tokens=general.run_tokens or defaults.run_tokens,
        run_nanos=general.run_nanos or defaults.run_nanos,
    )


class LiveRules:
    """The rules of a store's projects, read again every other second, so that a running worker takes changes up. For one thread."""

    def __init__(self, store: Store, tally: CallTally | None = None, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._store, self._tally, self._clock_s = store, tally, clock_s
        self._settings: dict[SettingKey, RuleSetting] = {}
        self._rules: dict[tuple[int, str], Rules] = {}
        self._read_s: float | None = None

    def inspect(self, project_id: int, runs: Sequence[Run]) -> Sequence[Sequence[Finding]]:
        """Return what the detectors find in each of some runs under the rules of its agent."""
        self._refresh()
        seen = [see(run, self._rules_for(project_id, run.agent)) for run in runs]
        if self._tally is not None:
            for one in seen:
                self._tally.note(project_id, one)
        return inspect_seen(seen)

    def _rules_for(self, project_id: int, agent: str) -> Rules:
        key = (project_id, agent)
        rules = self._rules.get(key)
        if rules is None:
            if len(self._rules) >= _MOST_KEPT:
                self._rules.clear()
            rules = self._rules[key] = rules_of(self._settings, project_id, agent)
        return rules

    def _refresh(self) -> None:
        now_s = self._clock_s()
        if self._read_s is not None and now_s - self._read_s < RELOAD_S:
            return
        self._read_s = now_s
        try:
            with self._store.engine.connect() as conn:
                settings = read_settings(conn)
        except SQLAlchemyError as error:
            # The rules that were last read are better than none.
            log.warning("the settings of rules cannot be read now: %s", type(error).__name__)
            return
        if settings != self._settings:
            self._settings = settings
            self._rules.clear()
