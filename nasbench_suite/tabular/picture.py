"""What a table's results look like: their spread, test beside validation, noise, and results by epoch."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.drawing import draw_panels
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular.benchmark import TabularBenchmark

_SIZE = (3.4, 2.8)
_COLOUR = "#0072b2"
_BINS = 40
_QUANTILES = (5, 50, 95)
_FEWEST_EPOCHS = 3
_SHOWN = (0.5, 99.5)
"""Percentiles between which axes of results reach, so that a few failed trainings do not squeeze the rest."""

Panel = Callable[[Axes], None]
_Values = NDArray[np.float64]


def table_picture(benchmark: Benchmark) -> Figure:
    """Draw the results of a table of rows.

    Panels: how validation results after full training are distributed; test over validation results of the
    same trainings; the second over the first training of an architecture; percentiles over architectures
    after every epoch. Those that the table has too little for are left out.

    Raises
    ------
    NasbenchSuiteError
        When it is no table of rows, or has no validation results.
    """
    if not isinstance(benchmark, TabularBenchmark) or not benchmark.valid_metric:
        raise NasbenchSuiteError(
            f"{benchmark.id} has no rows with validation results, so there is nothing to draw."
        )
    return draw_panels(_panels(benchmark), lambda axes, panel: panel(axes), size=_SIZE, columns=4)


def _panels(benchmark: TabularBenchmark) -> list[Panel]:
    columns, name = benchmark.table.columns, benchmark.valid_metric
    valid, label = columns[name], _label(benchmark, name)
    first = valid[:, 0, -1]
    found: list[Panel] = [lambda axes: _distribution(axes, first, label)]
    if benchmark.test_metric and benchmark.test_metric != name:
        test = columns[benchmark.test_metric][:, 0, -1]
        y_label = _label(benchmark, benchmark.test_metric)
        found.append(lambda axes: _beside(axes, first, test, (label, y_label)))
    if valid.shape[1] > 1 and not np.isnan(valid[:, 1, -1]).all():
        second = valid[:, 1, -1]
        found.append(lambda axes: _beside(axes, first, second, (label, "the same, another training")))
    if valid.shape[2] >= _FEWEST_EPOCHS:
        epochs = benchmark.table.epochs
        found.append(lambda axes: _by_epoch(axes, epochs, valid[:, 0], label))
    return found


def _label(benchmark: TabularBenchmark, name: str) -> str:
    unit = benchmark.metrics[name].unit
    words = name.replace("_", " ")
    return words if unit == "1" else f"{words} ({unit})"


def _limits(values: _Values) -> tuple[float, float]:
    low, high = (float(v) for v in np.nanpercentile(values, _SHOWN))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _distribution(axes: Axes, values: _Values, label: str) -> None:
    known = values[~np.isnan(values)]
    axes.hist(known, bins=_BINS, range=_limits(known), color=_COLOUR)
    axes.set_xlabel(label, fontsize=9)
    axes.set_ylabel("architectures", fontsize=9)
    axes.set_title("results", fontsize=10)


def _beside(axes: Axes, x: _Values, y: _Values, labels: tuple[str, str]) -> None:
    both = ~(np.isnan(x) | np.isnan(y))
    across, up = _limits(x[both]), _limits(y[both])
    counts, *_ = np.histogram2d(x[both], y[both], bins=_BINS, range=(across, up))
    shown = np.ma.masked_equal(np.log1p(counts.T), 0)
    axes.imshow(shown, origin="lower", extent=(*across, *up), aspect="auto", cmap="viridis_r")
    axes.set_xlabel(labels[0], fontsize=9)
    axes.set_ylabel(labels[1], fontsize=9)
    axes.set_title(f"{both.sum():,} architectures", fontsize=10)


def _by_epoch(axes: Axes, epochs: NDArray[np.int32], values: _Values, label: str) -> None:
    """Draw percentiles over the architectures that have a result after an epoch."""
    known = ~np.isnan(values).all(axis=0)
    low, middle, high = np.nanpercentile(values[:, known], _QUANTILES, axis=0)
    axes.plot(epochs[known], middle, color=_COLOUR, linewidth=1.4)
    axes.fill_between(epochs[known], low, high, color=_COLOUR, alpha=0.25, linewidth=0)
    axes.set_xlabel("epochs", fontsize=9)
    axes.set_ylabel(label, fontsize=9)
    axes.set_title("median, 5th to 95th percentile", fontsize=10)
