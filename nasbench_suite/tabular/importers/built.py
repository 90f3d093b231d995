"""Tables of our own, made of the learning curves that a build left in `tabular/NAME/curves.h5`.

One row per class of isomorphic architectures, one entry of the repeat axis per seed, one entry of the epoch
axis per epoch. An architecture that was not trained with a seed is NaN there.

`train_seconds` is what a search pays for a training that it ends after an epoch: the seconds of training up
to then, and of one pass over the validation inputs. Networks that trained together have equal parts of what
they took. Where seeds were trained on different devices, whose seconds do not compare, it has one entry per
architecture in place of one per seed: what the first seed's device took.
"""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import JointSpace, get_space
from nasbench_suite.tabular import gan_file
from nasbench_suite.tabular.curve_file import FILE_NAME, CurveFile, read_curve_file
from nasbench_suite.tabular.datasheet import Datasheet
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.table import Column, Table

_MILLION = 1e6
_FILES = "|".join(re.escape(name) for name in (FILE_NAME, gan_file.FILE_NAME))
_SOURCE = re.compile(rf"tabular/([A-Za-z0-9][A-Za-z0-9_@.+-]*)/({_FILES})")


def curves_path(sheet: Datasheet) -> Path:
    """Return where the curves lie that a datasheet's table is made of."""
    return content_root() / "tabular" / sheet.name / FILE_NAME


def source_path(source: str) -> Path | None:
    """Return the file that a table with this source was made of; None if no build made it."""
    named = _SOURCE.fullmatch(source)
    return content_root() / "tabular" / named[1] / named[2] if named else None


def how_to_get(sheet: Datasheet) -> str:
    """Return what a user has to do before the tables can be asked."""
    if curves_path(sheet).is_file():
        return (
            "nothing to do: the table is made of the curves beside its datasheet when it is first asked for"
        )
    return f"train it, which takes hours: nasbench-suite build {_plan(sheet)}"


def _plan(sheet: Datasheet) -> str:
    """Return the build plan's path, short where it is below the folder that the user is in."""
    path = curves_path(sheet).with_name("build.toml")
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def from_curves(sheet: Datasheet, task: str) -> Table:
    """Make the table of `task` (`nats_topology/mnist1d`) of the curves beside its datasheet.

    Raises
    ------
    NasbenchSuiteError
        When there are none yet; says how to make them.
    DamagedFileError
        When the file is damaged.
    """
    path = curves_path(sheet)
    if not path.is_file():
        raise NasbenchSuiteError(
            f"the table of {task} is not here; train it, which takes hours, with: nasbench-suite build "
            f"{_plan(sheet)} (interrupted, it goes on where it stopped)."
        )
    curves = read_curve_file(path)
    source = Source(f"tabular/{sheet.name}/{FILE_NAME}", curves.progress(), Source.of([path]).sha256)
    return table_of_curves(curves, source, sheet, task)


def table_of_curves(curves: CurveFile, source: Source, sheet: Datasheet, task: str) -> Table:
    """Return the table of `task` that the curves make; see the module."""
    present = (curves.ran_on >= 0).any(axis=0)
    columns = {f"{split}_accuracy": Column(_rows_first(curves.accuracy(split))) for split in curves.correct}
    columns |= {f"{split}_loss": Column(_rows_first(loss)) for split, loss in curves.loss.items()}
    columns["train_seconds"] = Column(_rows_first(_of_one_device(search_seconds(curves), curves)))
    for metric, count in (("params_millions", "parameters"), ("flops_millions", "multiply_adds")):
        columns[metric] = Column((curves.counts[count] / _MILLION)[:, None, None], "once")
    space = get_space(curves.description.space)
    if isinstance(space, JointSpace):
        columns |= {
            name: Column(values[:, None, None], "once")
            for name, values in space.settings(curves.genes).items()
        }
    return assemble(
        sheet,
        task,
        source,
        curves.genes[present],
        {name: Column(column.values[present], column.recorded) for name, column in columns.items()},
        rows="class",
        repeats=[f"seed {seed}" for seed in curves.description.seeds],
        epochs=range(1, curves.description.epochs + 1),
    )


def search_seconds(curves: CurveFile) -> NDArray[np.float64]:
    """Return the seconds up to each epoch and of one validation pass, float64 `[seeds, epochs, rows]`.

    Both evaluations, of validation and test inputs, were timed together; the validation pass has its share of
    the inputs.
    """
    inputs = curves.description.inputs
    judged = inputs["valid"] + inputs["test"]
    share = inputs["valid"] / judged if judged else 0.0
    trained = np.cumsum(curves.seconds["train"].astype(np.float64), axis=1)
    return trained + share * curves.seconds["eval"]


def _of_one_device(seconds: NDArray[np.float64], curves: CurveFile) -> NDArray[np.float64]:
    """Return seconds that compare, `[seeds or 1, epochs, rows]`: see the module."""
    names = [environment.get("device", "cpu") for environment in curves.description.environments]
    devices = np.array([*names, ""])[curves.ran_on]  # -1: the last, not trained
    trained = curves.ran_on >= 0
    first, often = np.unique(devices[np.argmax(trained.any(axis=1))], return_counts=True)
    device = first[first != ""][np.argmax(often[first != ""])]
    if (devices[trained] == device).all():
        return seconds
    counted = (devices == device)[:, None, :]
    number = counted.sum(axis=0)
    total = np.where(counted, seconds, 0.0).sum(axis=0)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)[None]


def _rows_first(values: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float64)
