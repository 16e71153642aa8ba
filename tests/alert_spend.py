"""Runaway spend, labelled: dear runs, many runs, budgets that will not last."""

from collections.abc import Callable, Iterator

from .alert_stage import USD, Scenario, Stage, whole_run
from .builders import SECOND

_MONEY = frozenset({"B1", "B2", "B3", "B4", "B5", "A1"})


def _scenario(name: str, rules: str, play: Callable[[Stage], None], base: str = "") -> Scenario:
    return Scenario(f"spend-{name}", "spend", frozenset(rules.split()), _MONEY, play, base)


def _burst(usd: float, every_s: float, agents: int = 1) -> Callable[[Stage], None]:
    """Runs of a price, each far below any ceiling, one after the other; the fact is $20 within the hour and $10 in ten minutes."""

    def play(stage: Stage) -> None:
        # Twenty dollars in an hour, with ten of them in ten minutes, must be spent, at whatever pace.
        spent: list[tuple[int, float]] = []
        for turn in range(400):
            one = usd * stage.rng.uniform(0.7, 1.3)
            spans = whole_run(stage, f"spender-{turn % agents}", stage.now_ns - 6 * SECOND, one, 6.0)
            stage.send(*spans)
            spent.append((stage.now_ns, one))
            lately = sum(amount for at_ns, amount in spent if stage.now_ns - at_ns <= 600 * SECOND)
            if sum(amount for _, amount in spent) >= 20 and lately >= 10:
                stage.fact()
            if stage.fact_ns is not None and stage.now_ns - stage.fact_ns > 300 * SECOND:
                return
            stage.wait(every_s, 15 * SECOND)

    return play


def _culprit(usd: float, others: int) -> Callable[[Stage], None]:
    """Runs of many agents that together spend too much, one of them by far the most: that is the one to look at."""

    def play(stage: Stage) -> None:
        spent = 0.0
        for turn in range(40):
            guilty = turn == 4
            one = usd if guilty else stage.rng.uniform(0.5, 1.2)
            spans = whole_run(stage, f"desk-{turn % others}", stage.now_ns - 30 * SECOND, one, 30.0)
            if guilty:
                stage.guilty = {spans[0].trace_id}
            stage.send(*spans)
            spent += one
            if spent >= 20:
                stage.fact()
            if spent >= 27:
                return
            stage.wait(20, 20 * SECOND)

    return play


def _grows(first_usd: float, factor: float) -> Callable[[Stage], None]:
    """Each run dearer than the one before it."""

    def play(stage: Stage) -> None:
        one, spent = first_usd, 0.0
        while stage.fact_ns is None or stage.now_ns - stage.fact_ns < 200 * SECOND:
            stage.send(*whole_run(stage, "summariser", stage.now_ns - 20 * SECOND, one, 20.0))
            spent += one
            one = min(one * factor, 4.5)
            if spent >= 20:
                stage.fact()
            stage.wait(25, 15 * SECOND)

    return play


def _one_run(number: int) -> Callable[[Stage], None]:
    """A single run that goes on and on; the fact is four fifths of what it may use."""
    by_cost = number % 2 == 0
    usd, tokens = 0.2 + 0.1 * (number % 5), 1_500 + 500 * (number % 4)
    own = {"clew.budget.usd": 2.0} if number % 4 == 0 else ({"clew.budget.tokens": 20_000} if number % 4 == 1 else {})
    most = (2.0 if number % 4 == 0 else 5.0) if by_cost else (20_000 if number % 4 == 1 else 50_000)

    def play(stage: Stage) -> None:
        run = stage.run(f"researcher-{number}", gap_s=4.0, attributes=own)
        stage.guilty = {run.trace_id}
        used = 0.0
        while used < 1.3 * most:
            run.think(usd=usd if by_cost else 0.001, tokens=(200, 20) if by_cost else (tokens, 200))
            used += usd if by_cost else tokens + 200
            run.call("read_page", {"page": round(used * 1000)}, f"page {used}")
            if used >= 0.8 * most:
                stage.fact()
        run.end()

    return play


def _many_children(number: int) -> Callable[[Stage], None]:
    """A run whose helpers spend: what they use is the run's."""

    def play(stage: Stage) -> None:
        run = stage.run(f"orchestrator-{number}", gap_s=5.0)
        stage.guilty = {run.trace_id}
        spent = 0.0
        for turn in range(16):
            run.ask_agent(f"helper-{turn % 3}", f"chapter {turn}", f"draft {turn}")
            run.think(usd=0.5)
            spent += 0.5
            if spent >= 4.0:
                stage.fact()
        run.end()

    return play


def _budget(period: str, usd: float, each: float) -> Callable[[Stage], None]:
    """A budget of which half is spent: the fact."""

    def play(stage: Stage) -> None:
        nanos = round(usd * USD)
        stage.set(day_nanos=nanos if period == "day" else None, month_nanos=nanos if period == "month" else None)
        spent = 0.0
        for turn in range(40):
            stage.send(*whole_run(stage, f"clerk-{turn % 4}", stage.now_ns - 6 * SECOND, each, 6.0))
            spent += each
            if spent >= usd / 2:
                stage.fact()
            if spent >= 0.75 * usd:
                return
            stage.wait(40, 20 * SECOND)

    return play


def _burn(month: float, hourly: float) -> Callable[[Stage], None]:
    """A month's budget, spent at many times the rate that it allows; the fact is an hour's allowance times 14.4."""

    def play(stage: Stage) -> None:
        stage.set(month_nanos=round(month * USD))
        spent = 0.0
        for _ in range(60):
            each = hourly / 60
            stage.send(*whole_run(stage, "night-job", stage.now_ns - 6 * SECOND, each / 2, 6.0))
            stage.send(*whole_run(stage, "night-job", stage.now_ns - 6 * SECOND, each / 2, 6.0))
            spent += each
            if spent >= 14.4 * month / 720:
                stage.fact()
            if stage.fact_ns is not None and stage.now_ns - stage.fact_ns > 120 * SECOND:
                return
            stage.wait(60, 20 * SECOND)

    return play


def _costly(number: int) -> Callable[[Stage], None]:
    """One run that costs far more than all its agent's others, below every ceiling."""

    def play(stage: Stage) -> None:
        run = stage.run("clerk", gap_s=5.0)
        stage.guilty = {run.trace_id}
        spent = 0.0
        for _ in range(4 + number):
            run.think(usd=0.5)
            spent += 0.5
            if spent >= 1.0:
                stage.fact()
        run.end()
        stage.wait(30, 15 * SECOND)

    return play


def _dear_hour(factor: float) -> Callable[[Stage], None]:
    """An hour in which each run costs many times what it did; the fact is a dollar more than, and three times, what was usual."""

    def play(stage: Stage) -> None:
        spent = 0.0
        for _ in range(20):
            stage.send(*whole_run(stage, "clerk", stage.now_ns - 9 * SECOND, 0.02 * factor))
            spent += 0.02 * factor
            if spent >= 1.35:
                stage.fact()
            stage.wait(120, 60 * SECOND)

    return play


def _all() -> Iterator[Scenario]:
    for n, (usd, every_s) in enumerate(((2.0, 20), (1.0, 10), (0.5, 6), (3.0, 45), (0.3, 4), (2.5, 60), (4.0, 90), (1.5, 30))):
        yield _scenario(f"burst-{n}", "B4", _burst(usd, every_s))
    for n, (usd, every_s) in enumerate(((2.0, 15), (1.0, 8), (3.0, 30), (0.6, 5), (1.2, 25))):
        yield _scenario(f"many-agents-{n}", "B4", _burst(usd, every_s, 4 + n))
    for n in range(6):
        yield _scenario(f"culprit-{n}", "B4", _culprit(2.6 + 0.2 * n, 2 + n))
    for n, factor in enumerate((1.05, 1.1, 1.2, 1.4)):
        yield _scenario(f"grows-{n}", "B4", _grows(0.4, factor))
    for n in range(12):
        yield _scenario(f"one-run-{n}", "B1", _one_run(n))
    for n in range(3):
        yield _scenario(f"helpers-{n}", "B1", _many_children(n))
    for n, (period, usd, each) in enumerate((("day", 10.0, 0.8), ("day", 30.0, 1.0), ("month", 15.0, 0.9), ("month", 40.0, 2.0))):
        yield _scenario(f"budget-{n}", "B2", _budget(period, usd, each))
    for n, (month, hourly) in enumerate(((300.0, 60.0), (100.0, 18.0), (1_000.0, 120.0), (500.0, 50.0))):
        yield _scenario(f"burn-{n}", "B3", _burn(month, hourly))
    for n in range(4):
        yield _scenario(f"costly-{n}", "B5", _costly(n), "weeks")
    for n, factor in enumerate((15.0, 25.0, 40.0)):
        yield _scenario(f"dear-hour-{n}", "A1", _dear_hour(factor), "weeks")


SPEND = tuple(_all())
