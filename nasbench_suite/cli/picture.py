"""`nasbench-suite show TASK --picture FOLDER`: a table to look at."""

from pathlib import Path

from nasbench_suite.drawing import svg
from nasbench_suite.storage import write_whole
from nasbench_suite.tabular.datasheet import described_tasks
from nasbench_suite.tabular.gan_file import read_gan_file
from nasbench_suite.tabular.generator_samples import real_inputs, samples_figure
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
        content = read_gan_file(trainings_path(sheet))
        pictures[SAMPLES] = svg(samples_figure(content, real_inputs(content)), SAMPLES)
    for name, picture in pictures.items():
        write_whole(folder / name, picture)
    return [folder / name for name in pictures]
