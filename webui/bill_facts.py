"""Everything that the cost page and its route are made of, read once."""

from webui.analysis.repricing import latest_rates
from webui.pages.cost_chart import marks_of
from webui.pages.costs import Facts
from webui.pages.spend import Asked, Period

from . import reads_costs


def read_facts(asked: Asked, period: Period, now: int) -> Facts:
    """Read what a cost page is made of: the roll-ups of its time and of the one before, and bounded looks at single runs."""
    before, budgets = period.before(), reads_costs.budgets(asked)
    return Facts(
        asked=asked,
        period=period,
        rows=reads_costs.cube(period, asked.where),
        before=reads_costs.cube(before, asked.where),
        people=reads_costs.people(period, asked),
        tallies=reads_costs.tallies(period, asked),
        wasted=reads_costs.wasted(period, asked),
        dearest=reads_costs.dearest(period, asked),
        month=reads_costs.month(asked, budgets.month_nanos, now),
        budgets=budgets,
        rate=reads_costs.rate(now) if not asked.where else None,
        rates=latest_rates(reads_costs.prices(period)),
        marks=marks_of(reads_costs.marks(period, asked)),
        spent=reads_costs.spent(period, asked.where),
        spent_before=reads_costs.spent(before, asked.where),
        check=None,
    )
