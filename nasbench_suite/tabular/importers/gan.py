"""Tables of generators, made of the trainings that a build left in `tabular/NAME/gan.h5`.

One row per architecture, one entry of the repeat axis per seed, one entry of the epoch axis per checkpoint,
named by the steps of the generator. What was not trained with a seed is NaN there; a training that failed
has the scores of a generator that makes nothing but zeros.
"""

from pathlib import Path

import numpy as np

from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular.datasheet import Datasheet
from nasbench_suite.tabular.gan_file import CURVES, FILE_NAME, read_gan_file
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.table import Column, Table


def trainings_path(sheet: Datasheet) -> Path:
    """Return where the trainings lie that a datasheet's table is made of."""
    return content_root() / "tabular" / sheet.name / FILE_NAME


def how_to_get(sheet: Datasheet) -> str:
    """Return what a user has to do before the tables can be asked."""
    if trainings_path(sheet).is_file():
        return "nothing to do: the table is made of the file beside its datasheet when it is first asked for"
    return f"train it: nasbench-suite build tabular/{sheet.name}"


def from_trainings(sheet: Datasheet, task: str) -> Table:
    """Make the table of `task` (`gan/mnist1d`) of the trainings beside its datasheet.

    Raises
    ------
    NasbenchSuiteError
        When there are none yet; says how to make them.
    DamagedFileError
        When the file is damaged.
    """
    path = trainings_path(sheet)
    if not path.is_file():
        raise NasbenchSuiteError(f"the table of {task} is not here; {how_to_get(sheet)}.")
    content = read_gan_file(path)
    described = content.description
    source = Source(f"tabular/{sheet.name}/{FILE_NAME}", content.progress(), Source.of([path]).sha256)
    present = (content.ran_on >= 0).any(axis=0)
    columns = {
        name.replace("_loss", "_hinge_loss"): Column(
            content.curves[name][:, :, present].transpose(2, 0, 1).astype(np.float64)
        )
        for name in CURVES
    }
    return assemble(
        sheet,
        task,
        source,
        content.genes[present],
        columns,
        rows="class",
        repeats=[f"seed {seed}" for seed in described.seeds],
        epochs=described.steps,
    )
