"""Tasks by name: `load_benchmark("graph/cora")` gives the benchmark that answers for it."""

from functools import lru_cache
from pathlib import Path

from nasbench_suite.benchmark import Benchmark
from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.tabular.catalogue import is_current, open_table_task, stamp, table_path, table_tasks

TRAINING = "training:"
"""What the name of a task begins with whose architectures are trained, not looked up."""
TRAININGS = "trainings"
"""The folder of what they were trained, in the user's data folder."""
SURROGATE = "surrogate:"
"""What the name of a task begins with that a fitted model answers."""


def task_names() -> list[str]:
    """Return every task `BENCHMARK/DATASET` that a datasheet describes or the user has imported."""
    return table_tasks()


def load_benchmark(task: str, *, device: str = "cpu") -> Benchmark:
    """Return the benchmark of a task such as `graph/cora`; the same object until its table is replaced.

    `training:` before the name of a task asks for one that trains architectures instead of looking them up;
    `surrogate:` before the name or folder of a surrogate for one that predicts.

    The first call for a table that a package ships, or that was built here, converts it to HDF5 under the
    user's data folder.

    Parameters
    ----------
    task
        Its name.
    device
        Where architectures are trained, `cpu` or `cuda`; nothing else asks for it.

    Raises
    ------
    UnknownNameError
        When no datasheet describes the task; the message lists the nearest names.
    DamagedFileError
        When the table's checksum does not hold.
    NasbenchSuiteError
        When the data folder cannot be written, or the table has to be imported first.
    """
    if task.startswith(TRAINING):
        return _open_training(task.removeprefix(TRAINING), data_root() / TRAININGS, device)
    if task.startswith(SURROGATE):
        return _open_surrogate(task)
    path = table_path(task)
    if not is_current(path):
        _make_ready(task)
    return _open(task, path, stamp(path))


def _make_ready(task: str) -> None:
    """Convert a table, or say that it has to be imported or built, or that training answers for it."""
    try:
        open_table_task(task)
    except UnknownNameError:
        from nasbench_suite.training.gan.plan import gan_tasks  # loads torch

        if task in gan_tasks():
            raise NasbenchSuiteError(
                f"there is no table of {task}; {TRAINING}{task} answers by training."
            ) from None
        raise


@lru_cache(maxsize=32)
def _open(task: str, path: Path, made: tuple[int, int] | None) -> Benchmark:
    return open_table_task(task)


@lru_cache(maxsize=8)
def _open_training(task: str, folder: Path, device: str) -> Benchmark:
    from nasbench_suite.training.gan.plan import gan_tasks  # loads torch, so only where it is asked for
    from nasbench_suite.training.task import training_task

    if task in gan_tasks():
        from nasbench_suite.training.gan.benchmark import GanTrainingBenchmark

        return GanTrainingBenchmark(gan_tasks()[task], folder=folder, device=device)
    from nasbench_suite.training.benchmark import TrainingBenchmark

    return TrainingBenchmark(training_task(task), folder=folder, device=device)


def _open_surrogate(task: str) -> Benchmark:
    from nasbench_suite.surrogates.card import MODEL, find_surrogate

    name = task.removeprefix(SURROGATE)
    return _open_fitted(name, stamp(find_surrogate(name) / MODEL))


@lru_cache(maxsize=8)
def _open_fitted(name: str, made: tuple[int, int] | None) -> Benchmark:
    from nasbench_suite.surrogates.shipped import open_surrogate  # loads XGBoost or torch

    return open_surrogate(name)
