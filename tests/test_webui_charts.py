"""What happened, above the chart of what was spent: words that never cover each other, and lose nothing."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from webui.charts import cost_figure
from webui.pages.cost_chart import Chart, ChartMark, Series
from webui.pages.spend import DAY_NS, Asked, Period

DAYS = 30
FIRST = 20_000 * DAY_NS
ACROSS = 84
"""Characters that fit beside each other above the chart."""


def mark(day: int, kind: str = "deploy", short: str = "scheduler 1.0") -> ChartMark:
    return ChartMark(FIRST + day * DAY_NS, kind, short, f"{short} on day {day}", "")


def words_of(*marks: ChartMark) -> list[tuple[str, str, str]]:
    """Return the words above a chart: text, which side of the line they stand on, and what hovering shows."""
    period = Period(FIRST, FIRST + DAYS * DAY_NS, "day", False)
    figure = cost_figure(Chart(Asked(), period, [], {}, sorted(marks, key=lambda one: one.at_ns)))
    assert len(figure["layout"]["shapes"]) == len(marks)
    return [(one["text"], one["xanchor"], one["hovertext"]) for one in figure["layout"]["annotations"]]


def test_marks_far_from_each_other_have_their_own_words() -> None:
    assert [text for text, _, _ in words_of(mark(2), mark(12, "price", "price of gpt-4.1"), mark(20, "alert", "loop"))] == [
        "scheduler 1.0", "price of gpt-4.1", "loop",
    ]  # fmt: skip


def test_marks_close_to_each_other_share_their_words() -> None:
    """They say how many of what; hovering names each, and so does the list below."""
    ((text, side, hover),) = words_of(mark(2), mark(3, short="billing 2.0"), mark(4, "alert", "loop"), mark(4, "alert", "cost"))
    assert (text, side) == ("2 versions, 2 alerts", "left")
    assert hover.endswith("cost on day 4")
    assert hover.count("<br>") == 3


def test_words_at_the_right_edge_stand_left_of_their_line() -> None:
    assert [side for _, side, _ in words_of(mark(1), mark(29))] == ["left", "right"]


def test_words_hold_no_tags() -> None:
    ((text, _, hover),) = words_of(mark(3, short="<b>&"))
    assert text == "&lt;b>&amp;"
    assert "<b>" not in hover


_SHORT = st.text("abc ", min_size=1, max_size=40)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.builds(mark, st.integers(0, DAYS - 1), st.sampled_from(["deploy", "price", "alert"]), _SHORT), min_size=1, max_size=40))
def test_no_words_cover_others(marks: list[ChartMark]) -> None:
    """However many marks, at whatever days, with whatever names."""
    period = Period(FIRST, FIRST + DAYS * DAY_NS, "day", False)
    ordered = sorted(marks, key=lambda one: one.at_ns)
    layout = cost_figure(Chart(Asked(), period, [], {}, ordered))["layout"]
    lines = [shape["x0"] for shape in layout["shapes"]]
    days = {x: (one.at_ns - FIRST) // DAY_NS for x, one in zip(lines, ordered, strict=True)}
    end = -float(ACROSS)
    for one in layout["annotations"]:
        at = ACROSS * days[one["x"]] / DAYS
        begin = at if one["xanchor"] == "left" else at - len(one["text"])
        assert begin >= end
        end = begin + len(one["text"])
        assert end <= ACROSS
    hovers = "<br>".join(one["hovertext"] for one in layout["annotations"])
    left = sum(int(part) for part in re.findall(r"and (\d+) more", hovers))
    assert hovers.count(" on day ") + left == len(marks)


def test_dollars_have_as_many_decimals_at_each_tick() -> None:
    """Enough for the smallest step that an axis of that height has."""
    period = Period(FIRST, FIRST + DAYS * DAY_NS, "day", False)
    for nanos, decimals in ((25 * 10**9, 0), (4 * 10**9, 2), (25 * 10**7, 2), (5 * 10**7, 3), (7_000, 7)):
        figure = cost_figure(Chart(Asked(), period, [Series("m", "", {FIRST // DAY_NS: nanos}, "")], {}, []))
        assert figure["layout"]["yaxis"]["tickformat"] == f",.{decimals}f"
