"""What generators of a table make: the best, one in the middle, the worst; beside real signals or images."""

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
    """Draw a row each of real signals or images and of three generators, by validation with the first seed.

    Parameters
    ----------
    content
        The trainings.
    real
        Real ones, `[n, *size]` or in colour `[n, channels, *size]`, as many as a generator's or more.
    found
        The place of one more generator to be drawn, and how often a search found it.
    """
    distance = content.curves["frechet_valid"][0, -1]
    names = get_space(content.description.space).format(content.genes)
    of_what = "signals" if real.ndim == 2 else "images"
    rows: list[tuple[str, str, NDArray[np.generic]]] = [("real", f"real {of_what}", real)]
    for kind, place in zip(("best", "middle", "worst"), ends(distance), strict=True):
        title = f"{kind}: {names[place]}, Fréchet distance {distance[place]:.2f}"
        rows.append((kind, title, content.samples[place]))
    if found is not None:
        place, times = found
        title = f"found {times}: {names[place]}, Fréchet distance {distance[place]:.2f}"
        rows.insert(1, ("found", title, content.samples[place]))
    shown = content.samples.shape[1]
    reach = 1.05 * max(float(np.abs(made[:shown]).max()) for _, _, made in rows)
    figure = Figure(figsize=(_INCHES[0] * shown, (_INCHES[1] + 0.25) * len(rows)), layout="constrained")
    parts = np.asarray(figure.subfigures(len(rows), 1))
    for part, (kind, title, made) in zip(parts.ravel(), rows, strict=True):
        part.suptitle(title, fontsize=9)
        for axes, one in zip(part.subplots(1, shown), made[:shown], strict=True):
            axes.set_xticks([])
            axes.set_yticks([])
            if one.ndim == 1:
                _draw_signal(axes, one.astype(np.float64), _COLOURS[kind], reach)
            else:
                _draw_image(axes, one.astype(np.float64))
    return figure


def real_inputs(content: GanFile) -> NDArray[np.float32]:
    """Return what `samples_figure` takes: as many real ones as a table keeps of each generator.

    Raises
    ------
    NasbenchSuiteError
        When the data are not here.
    """
    from nasbench_suite.training.gan.data import get_gan_data  # loads torch

    data = get_gan_data(content.description.data_name).load()
    inputs: NDArray[np.float32] = data.batch(data.valid[: content.samples.shape[1]])[0].numpy()
    return inputs[:, 0] if inputs.shape[1] == 1 else inputs


def ends(distance: NDArray[np.floating]) -> tuple[int, int, int]:
    """Return the places of the least, the middle and the largest distance, `[n]`; NaN counts as none."""
    order = np.argsort(distance, kind="stable")[: int((~np.isnan(distance)).sum())]
    return int(order[0]), int(order[len(order) // 2]), int(order[-1])


def _draw_signal(axes: Axes, signal: NDArray[np.float64], colour: str, reach: float) -> None:
    axes.plot(signal, color=colour, linewidth=1.1)
    axes.set_ylim(-reach, reach)


def _draw_image(axes: Axes, image: NDArray[np.float64]) -> None:
    """Draw pixels from -1 to 1, `[height, width]` or `[channels, height, width]`."""
    pixels = (np.clip(image, -1, 1) + 1) / 2
    axes.imshow(pixels if image.ndim == 2 else pixels.transpose(1, 2, 0), cmap="gray", vmin=0, vmax=1)
    axes.set_frame_on(False)
