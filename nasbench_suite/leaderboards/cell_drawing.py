"""Draws a cell: operations as boxes from left to right, arrows for what they read."""

import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from nasbench_suite.spaces.cell_graphs import CellGraphs

_INCHES = (1.15, 0.62)
_ENDS = {"in": "#e8e8e8", "out": "#e8e8e8"}
_BOX = "#cfe3f5"
_SWEEPS = 4
_LONG, _BEND = 9, 0.28


def draw_cell(graph: CellGraphs) -> Figure:
    """Draw the first of some graphs; nodes that are not there are left out.

    A node stands right of all that it reads. Nodes that stand above each other are in the order of the mean
    height of their neighbours, so that few arrows cross.
    """
    labels = graph.labels[0]
    nodes = [int(node) for node in np.flatnonzero(labels != graph.absent)]
    edges = graph.adjacency[0]
    column = _columns(nodes, edges)
    height = _heights(nodes, edges, column)
    widest = max(np.bincount([column[node] for node in nodes]))
    figure = Figure(
        figsize=(_INCHES[0] * (max(column.values()) + 1), _INCHES[1] * max(widest, 2)), layout="constrained"
    )
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.5, max(column.values()) + 0.5)
    axes.set_ylim(-widest / 2 - 0.2, widest / 2 + 0.2)
    boxes = {node: _box(axes, column[node], height[node], _name(graph, int(labels[node]))) for node in nodes}
    for node, other in ((a, b) for a in nodes for b in nodes if edges[a, b]):
        _arrow(axes, boxes[node], boxes[other])
    return figure


def _name(graph: CellGraphs, label: int) -> str:
    if label == graph.entering:
        return "in"
    return "out" if label == graph.leaving else graph.operations[label]


def _columns(nodes: list[int], edges: NDArray[np.bool_]) -> dict[int, int]:
    """Return for every node the length of the longest path to it; nodes are in topological order."""
    column: dict[int, int] = {}
    for node in nodes:
        before = [column[other] for other in column if edges[other, node]]
        column[node] = max(before, default=-1) + 1
    return column


def _heights(nodes: list[int], edges: NDArray[np.bool_], column: dict[int, int]) -> dict[int, float]:
    """Return heights at distances of one within each column, centred, by the mean height of neighbours."""
    height = dict.fromkeys(nodes, 0.0)
    for _ in range(_SWEEPS):
        for place in sorted(set(column.values())):
            own = [node for node in nodes if column[node] == place]
            wanted = {node: _mean_height(node, nodes, edges, height) for node in own}
            own.sort(key=lambda node: (wanted[node], node))
            height |= {node: rank - (len(own) - 1) / 2 for rank, node in enumerate(own)}
    return height


def _mean_height(node: int, nodes: list[int], edges: NDArray[np.bool_], height: dict[int, float]) -> float:
    near = [height[other] for other in nodes if edges[other, node] or edges[node, other]]
    return sum(near) / len(near) if near else 0.0


def _box(axes: Axes, x: float, y: float, name: str) -> Text:
    return axes.text(
        *(x, y, re.sub("[-_]", "\n", name, count=1) if len(name) > _LONG else name),
        ha="center",
        va="center",
        fontsize=7,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": _ENDS.get(name, _BOX), "edgecolor": "#555555"},
        zorder=3,
    )


def _arrow(axes: Axes, start: Text, end: Text) -> None:
    """Draw an arrow; one that passes a column is bent outwards, so that it does not lie under a box."""
    (x, y), (to_x, to_y) = start.get_position(), end.get_position()
    bend = _BEND if to_x - x > 1 else 0.0
    axes.annotate(
        "",
        xy=(to_x, to_y),
        xytext=(x, y),
        arrowprops={
            "arrowstyle": "-|>",
            "color": "#555555",
            "linewidth": 0.9,
            "patchA": start.get_bbox_patch(),
            "patchB": end.get_bbox_patch(),
            "shrinkA": 2,
            "shrinkB": 2,
            "connectionstyle": f"arc3,rad={-bend if y + to_y > 0 else bend}",
        },
        zorder=2,
    )
