"""Signals that generators of a table make: the best, one in the middle, the worst; beside real ones."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nasbench_suite.spaces import get_space
from nasbench_suite.tabular.gan_file import GanFile

_INCHES = (1.15, 1.0)
_COLOURS = {"real": "#000000", "found": "#009e73", "best": "#0072b2", "middle": "#7f7f7f", "worst": "#d55e00"}


def samples_figure(
    content: GanFile, real: NDArray[np.float32], found: tuple[int, str] | None = None
) -> Figure:
    """Draw a row of signals each of real ones and of three generators, by validation with the first seed.

    Parameters
    ----------
    content
        The trainings.
    real
        Real signals, `[n, length]`, as many as a generator's or more.
    found
        The place of one more generator to be drawn, and how often a search found it.
    """
    distance = content.curves["frechet_valid"][0, -1]
    names = get_space(content.description.space).format(content.genes)
    rows: list[tuple[str, str, NDArray[np.generic]]] = [("real", "real signals", real)]
    for kind, place in zip(("best", "middle", "worst"), ends(distance), strict=True):
        title = f"{kind}: {names[place]}, Fréchet distance {distance[place]:.2f}"
        rows.append((kind, title, content.samples[place]))
    if found is not None:
        place, times = found
        title = f"found {times}: {names[place]}, Fréchet distance {distance[place]:.2f}"
        rows.insert(1, ("found", title, content.samples[place]))
    shown = content.samples.shape[1]
    reach = 1.05 * max(float(np.abs(signals[:shown]).max()) for _, _, signals in rows)
    figure = Figure(figsize=(_INCHES[0] * shown, (_INCHES[1] + 0.25) * len(rows)), layout="constrained")
    parts = np.asarray(figure.subfigures(len(rows), 1))
    for part, (kind, title, signals) in zip(parts.ravel(), rows, strict=True):
        part.suptitle(title, fontsize=9)
        for axes, signal in zip(part.subplots(1, shown), signals[:shown], strict=True):
            _draw(axes, signal.astype(np.float64), _COLOURS[kind], reach)
    return figure


def real_signals() -> NDArray[np.float32]:
    """Return as many real signals as a table keeps of each generator, float32 `[signals, length]`."""
    from nasbench_suite.training.gan.classifier import gan_data  # loads torch
    from nasbench_suite.training.gan.curves import SAMPLES

    data = gan_data()
    signals: NDArray[np.float32] = data.batch(data.valid[:SAMPLES])[0][:, 0].numpy()
    return signals


def ends(distance: NDArray[np.floating]) -> tuple[int, int, int]:
    """Return the places of the least, the middle and the largest distance, `[n]`; NaN counts as none."""
    order = np.argsort(distance, kind="stable")[: int((~np.isnan(distance)).sum())]
    return int(order[0]), int(order[len(order) // 2]), int(order[-1])


def _draw(axes: Axes, signal: NDArray[np.float64], colour: str, reach: float) -> None:
    axes.plot(signal, color=colour, linewidth=1.1)
    axes.set_ylim(-reach, reach)
    axes.set_xticks([])
    axes.set_yticks([])
