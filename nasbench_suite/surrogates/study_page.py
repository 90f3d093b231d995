"""Shows a study: a page in Markdown, a table of all trials as CSV, and a figure as SVG."""

import csv
import io
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from jinja2 import Environment, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nasbench_suite.drawing import MARKERS, colour, panels, svg
from nasbench_suite.storage import write_whole
from nasbench_suite.surrogates.leave_out import LeftOut
from nasbench_suite.surrogates.study import Study

PAGE = "study.md"
_HEADINGS = (
    ("kendall", "Kendall's tau"),
    ("sparse_kendall", "Sparse Kendall's tau"),
    ("spearman", "Spearman's rho"),
    ("r2", "R²"),
    ("calibration_error", "Calibration error"),
)


def write_study(study: Study, left_out: Sequence[LeftOut], page: Path) -> list[Path]:
    """Write the page, and a table and a figure of the same name beside it, and return their paths.

    Raises
    ------
    NasbenchSuiteError
        When a file cannot be written; each is whole or absent.
    """
    table, figure = page.with_suffix(".csv"), page.with_suffix(".svg")
    written = {
        figure: svg(draw_study(study), figure.name),
        table: csv_table(study).encode(),
        page: markdown_page(study, left_out, figure.name).encode(),
    }
    for path, content in written.items():
        write_whole(path, content)
    return list(written)


def mean_and_error(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard error over the last axis of what is no NaN; NaN where nothing is."""
    count = np.count_nonzero(~np.isnan(values), axis=-1)
    total = np.nansum(values, axis=-1)
    mean = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    squares = np.nansum((values - mean[..., None]) ** 2, axis=-1)
    variance = np.divide(squares, count - 1, out=np.full(count.shape, np.nan), where=count > 1)
    return mean, np.sqrt(variance / np.maximum(count, 1))


def markdown_page(study: Study, left_out: Sequence[LeftOut], figure: str) -> str:
    """Return the text of the page; `figure` is the file name of its figure."""
    environment = Environment(  # noqa: S701  # Markdown is not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = (files(__package__) / "templates" / f"{PAGE}.j2").read_text(encoding="utf-8")

    def cells(name: str, entrant: int) -> list[str]:
        mean, error = mean_and_error(study.scores[name][entrant])
        return [_cell(m, e) for m, e in zip(mean.tolist(), error.tolist(), strict=True)]

    return environment.from_string(template).render(
        plan=study.plan,
        labels=[entrant.title for entrant in study.plan.entrants],
        figure=figure,
        has_seconds=bool(np.isfinite(study.train_seconds).all()),
        headings=[entry for entry in _HEADINGS if np.isfinite(study.scores[entry[0]]).any()],
        cells=cells,
        fits=lambda entrant: [f"{v:.2g}" for v in np.nanmedian(study.fit_seconds[entrant], axis=-1)],
        query=lambda entrant: f"{1e6 * np.nanmedian(study.query_seconds[entrant]):.3g}",
        number=lambda value: "–" if np.isnan(value) else f"{value:.3f}",
        left_out=left_out,
    )


def _cell(mean: float, error: float) -> str:
    if np.isnan(mean):
        return "–"
    return f"{mean:.3f}" if np.isnan(error) else f"{mean:.3f} ± {error:.3f}"


def csv_table(study: Study) -> str:
    """Return every fit as a line of CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(study.scores)
    writer.writerow(["predictor", "size", "trial", *names, "fit_seconds", "query_seconds", "train_seconds"])
    for entrant, chosen in enumerate(study.plan.entrants):
        for place, size in enumerate(study.plan.sizes):
            for trial in range(study.plan.trials):
                at = entrant, place, trial
                values = [study.scores[name][at] for name in names]
                values += [study.fit_seconds[at], study.query_seconds[at], study.train_seconds[place, trial]]
                writer.writerow([chosen.title, size, trial, *("" if v != v else f"{v:.6g}" for v in values)])
    return text.getvalue()


def draw_study(study: Study) -> Figure:
    """Draw Kendall's tau over the number of architectures that teach, and over the time to begin."""
    figure, (left, right) = panels(2, height=3.2, width=4.2)
    mean, error = mean_and_error(study.scores["kendall"])
    known = np.isfinite(study.train_seconds).all()
    begun = study.fit_seconds + (study.train_seconds if known else 0.0)
    for number, chosen in enumerate(study.plan.entrants):
        seconds = np.nanmedian(begun[number], axis=-1)
        for axes, x in ((left, np.array(study.plan.sizes, dtype=float)), (right, seconds)):
            axes.errorbar(
                x,
                mean[number],
                yerr=np.nan_to_num(error[number]),
                color=colour(number + 1),
                marker=MARKERS[number % len(MARKERS)],
                markersize=4,
                linewidth=1.3,
                capsize=2,
                label=chosen.title,
            )
    _label(left, "architectures that teach")
    _label(right, "seconds to begin" if known else "seconds of the fit")
    left.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def _label(axes: Axes, x: str) -> None:
    axes.set_xscale("log")
    axes.set_xlabel(x)
    axes.set_ylabel("Kendall's tau")
    axes.grid(visible=True, linewidth=0.4, alpha=0.5)
