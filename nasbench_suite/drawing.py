"""Figures drawn with matplotlib as SVG: what boards and studies share.

The same figure gives the same bytes: identifiers are salted by the file's name, no date is written, and
text stays text.
"""

import io
from collections.abc import Callable, Sequence
from typing import TypeVar

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Item = TypeVar("Item")

COLOURS = (
    "#7f7f7f",
    "#0072b2",
    "#56b4e9",
    "#d55e00",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#882255",
    "#332288",
    "#117733",
    "#999933",
    "#000000",
    "#aa4499",
    "#4b6a88",
    "#7a4a1c",
    "#00a5a5",
)
"""Okabe and Ito's palette and some of Tol's: told apart with the common colour-vision deficiencies."""
MARKERS = "osD^vPX*<>hp"
"""Markers, in the order of the colours."""
_COLUMNS = 3
_PANEL_INCHES = (3.6, 2.5)


def draw_panels(
    items: Sequence[Item],
    draw: Callable[[Axes, Item], None],
    *,
    size: tuple[float, float],
    columns: int = _COLUMNS,
) -> Figure:
    """Return a figure with a panel for each item, of `size` (width, height) in inches, which `draw` fills."""
    figure, grid = panels(len(items), size[1], size[0], columns)
    for axes, item in zip(grid, items, strict=True):
        draw(axes, item)
    return figure


def panels(
    n: int, height: float = _PANEL_INCHES[1], width: float = _PANEL_INCHES[0], most_columns: int = _COLUMNS
) -> tuple[Figure, list[Axes]]:
    """Return a figure of `n` panels of a size in inches, in rows of at most `most_columns`."""
    columns = min(most_columns, n)
    rows = -(-n // columns)
    size = (max(columns * width, 6.0), rows * height + 1.1)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[n:]:
        axes.set_visible(False)
    return figure, list(grid[:n])


def colour(number: int) -> str:
    """Return the colour of the thing with this number; they begin anew after the last."""
    return COLOURS[number % len(COLOURS)]


def svg(figure: Figure, name: str) -> bytes:
    """Return a figure as SVG; the same figure and file name give the same bytes."""
    target = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(target, format="svg", metadata={"Date": None}, facecolor="white")
    return target.getvalue()
