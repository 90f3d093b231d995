"""Charts that a page draws in the browser: Vega-Lite specifications and the numbers that go into them.

The page carries Vega's JavaScript itself (`vega.py`), so that it needs no network.
"""

from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from nasbench_suite.drawing import colour
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.scale import Scale
from nasbench_suite.leaderboards.statistics import Curve

CURVES = {
    "test_regret_curve": "test regret by evaluations",
    "valid_regret_curve": "validation regret by evaluations",
    "seconds_curve": "test regret by seconds",
}
"""Curves of a summary, and how they are called in the page."""
_DIGITS = 4
_BAND = 0.18
_HEIGHT = 340


def chart_data(board: Board) -> dict[str, Any]:
    """Return the numbers of all charts as JSON values, on the scale on which the page writes results.

    `curves`: by column and kind the grid `x` and by strategy `mean`, `low`, `high`; `finals`: by column and
    strategy the final test regret with its interval; `colours`: by strategy; `units` and `results`: what
    regrets and results are in, by column.
    """
    return {
        "curves": {column: _curves(board, column) for column in board.columns},
        "finals": {column: _finals(board, column) for column in board.columns},
        "colours": {label: colour(number) for number, label in enumerate(board.labels)},
        "units": {column: scale.difference for column, scale in board.scales.items()},
        "results": {column: scale.unit for column, scale in board.scales.items()},
        "kinds": CURVES,
    }


def _curves(board: Board, column: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in CURVES:
        grid = board.seconds[column] if kind == "seconds_curve" else board.evaluations
        if len(grid):
            of_column = board.summaries[column]
            found[kind] = {
                "x": _rounded(np.asarray(grid, dtype=np.float64)),
                "strategies": {
                    label: _curve(getattr(of_column[label], kind), board.scales[column])
                    for label in board.labels
                },
            }
    return found


def _curve(curve: Curve, scale: Scale) -> dict[str, list[float | None]]:
    """Return a curve; a mean of zero would have no place on a logarithmic axis."""
    mean = np.maximum(curve.mean, scale.smallest)
    return {
        name: _rounded(scale.factor * values)
        for name, values in (("mean", mean), ("low", curve.low), ("high", curve.high))
    }


def _finals(board: Board, column: str) -> dict[str, list[float | None]]:
    factor = board.scales[column].factor
    found = {}
    for label in board.labels:
        regret = board.summaries[column][label].test_regret
        found[label] = _rounded(factor * np.array([regret.mean, regret.low, regret.high]))
    return found


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    return [None if np.isnan(value) else float(f"{value:.{_DIGITS}g}") for value in values.tolist()]


def curve_chart() -> dict[str, Any]:
    """Return the chart of regrets over the budget; the page puts in values, colours, titles and scales.

    A row of values has `strategy`, `x`, `mean`, `low`, `high` and `from`, where the band begins. Hovering
    shows all strategies at the nearest place; a click on the legend leaves one.
    """
    picked = alt.selection_point(name="picked", fields=["strategy"], bind="legend")
    near = alt.selection_point(
        name="near", nearest=True, on="pointerover", fields=["x"], empty=False, clear="pointerout"
    )
    base = alt.Chart(alt.InlineData(values=[])).encode(
        x=alt.X("x:Q", title="", scale=alt.Scale(type="log", nice=False)),
        color=alt.Color("strategy:N", legend=alt.Legend(title=None, orient="top", symbolOpacity=1.0)),
        opacity=alt.when(picked).then(alt.value(1.0)).otherwise(alt.value(0.08)),
    )
    regret = alt.Y("mean:Q", title="", scale=alt.Scale(type="log", nice=False))
    band = base.mark_area().encode(
        y=alt.Y("from:Q", title="", scale=alt.Scale(type="log", nice=False)),
        y2="high:Q",
        opacity=alt.when(picked).then(alt.value(_BAND)).otherwise(alt.value(0.02)),
    )
    lines = base.mark_line(strokeWidth=2).encode(y=regret)
    tooltip = [
        alt.Tooltip("strategy:N"),
        alt.Tooltip("x:Q", title="at", format=","),
        alt.Tooltip("mean:Q", title="regret"),
        alt.Tooltip("low:Q", title="from"),
        alt.Tooltip("high:Q", title="to"),
    ]
    points = base.mark_point(filled=True, size=60).encode(
        y=regret,
        opacity=alt.when(near).then(alt.value(1.0)).otherwise(alt.value(0.0)),
        tooltip=tooltip,
    )
    chart = alt.layer(band, lines, points.add_params(near)).add_params(picked)
    return _without_data(chart.properties(width="container", height=_HEIGHT))


def final_chart() -> dict[str, Any]:
    """Return the chart of final regrets with their intervals; a row has `strategy`, `mean`, `low`, `high`."""
    base = alt.Chart(alt.InlineData(values=[])).encode(
        y=alt.Y("strategy:N", title=None, sort=None),
        color=alt.Color("strategy:N", legend=None),
        tooltip=[
            alt.Tooltip("strategy:N"),
            alt.Tooltip("mean:Q", title="final test regret"),
            alt.Tooltip("low:Q", title="from"),
            alt.Tooltip("high:Q", title="to"),
        ],
    )
    interval = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=""), x2="high:Q")
    points = base.mark_point(filled=True, size=80).encode(x=alt.X("mean:Q", scale=alt.Scale(zero=False)))
    return _without_data(alt.layer(interval, points).properties(width="container"))


def front_chart() -> dict[str, Any]:
    """Return the chart of test results over a cost: the table's front as steps, picks as points.

    The page puts in two lists: `front` of `x` and `y`, best by both from the cheapest on, and `picks` of
    `strategy`, `x`, `y`, `runs` and `architecture`.
    """
    x = alt.X("x:Q", title="", scale=alt.Scale())
    y = alt.Y("y:Q", title="", scale=alt.Scale(zero=False))
    picked = alt.selection_point(name="picked", fields=["strategy"], bind="legend")
    front = (
        alt.Chart(alt.InlineData(values=[]))
        .mark_line(interpolate="step-after", strokeWidth=1.5, strokeDash=[4, 3], point={"size": 18})
        .encode(x=x, y=y, tooltip=[alt.Tooltip("x:Q", title="cost"), alt.Tooltip("y:Q", title="test")])
    )
    picks = (
        alt.Chart(alt.InlineData(values=[]))
        .mark_point(filled=True)
        .encode(
            x=x,
            y=y,
            size=alt.Size("runs:Q", legend=None, scale=alt.Scale(range=[40, 300])),
            color=alt.Color("strategy:N", legend=alt.Legend(title=None, orient="top", symbolOpacity=1.0)),
            opacity=alt.when(picked).then(alt.value(0.75)).otherwise(alt.value(0.06)),
            tooltip=[
                alt.Tooltip("strategy:N"),
                alt.Tooltip("architecture:N"),
                alt.Tooltip("y:Q", title="test"),
                alt.Tooltip("x:Q", title="cost"),
                alt.Tooltip("runs:Q"),
            ],
        )
        .add_params(picked)
    )
    chart = alt.layer(front, picks).properties(width="container", height=_HEIGHT)
    made: dict[str, Any] = chart.to_dict()
    made.pop("datasets", None)
    made.pop("data", None)
    return made


def _without_data(chart: alt.LayerChart | alt.FacetChart) -> dict[str, Any]:
    """Return the specification, for the page to put values into."""
    made: dict[str, Any] = chart.to_dict()
    del made["data"]
    made.pop("datasets", None)
    return made
