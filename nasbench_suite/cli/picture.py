"""`nasbench-suite show TASK --picture FOLDER`: a table to look at."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.cards import described_tasks
from nasbench_suite.drawing import svg
from nasbench_suite.storage import write_whole
from nasbench_suite.tabular.gan_file import read_gan_file
from nasbench_suite.tabular.generator_samples import samples_figure
from nasbench_suite.tabular.importers.gan import trainings_path
from nasbench_suite.tabular.picture import table_picture
from nasbench_suite.tasks import load_benchmark

RESULTS, SAMPLES = "results.svg", "samples.svg"


def draw(task: str, folder: Path) -> list[Path]:
    """Draw what a table holds into a folder: `results.svg`, of generators `samples.svg` too.

    Raises
    ------
    NasbenchSuiteError
        When it is no table of rows, or a file cannot be written.
    """
    pictures = {RESULTS: svg(table_picture(load_benchmark(task)), RESULTS)}
    sheet = described_tasks().get(task)
    if sheet is not None and sheet.importer == "gan":
        pictures[SAMPLES] = svg(samples_figure(read_gan_file(trainings_path(sheet)), _real()), SAMPLES)
    for name, content in pictures.items():
        write_whole(folder / name, content)
    return [folder / name for name in pictures]


def _real() -> NDArray[np.float32]:
    from nasbench_suite.training.gan.classifier import gan_data  # loads torch
    from nasbench_suite.training.gan.curves import SAMPLES as SIGNALS

    data = gan_data()
    signals: NDArray[np.float32] = data.batch(data.valid[:SIGNALS])[0][:, 0].numpy()
    return signals
