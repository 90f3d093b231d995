"""Tables of a user's own builds: learning curves that `nasbench-suite build` wrote, without a datasheet.

What a datasheet would say comes from the plan in the file and from the trainings themselves; the table is the
same that `built` makes of the suite's own builds.
"""

import json
from pathlib import Path

from nasbench_suite.cards import Paper
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces import JointSpace, get_space
from nasbench_suite.tabular.curve_file import CurveFile, read_curve_file
from nasbench_suite.tabular.datasheet import Datasheet, MetricEntry, TaskEntry
from nasbench_suite.tabular.importers.assembly import Source
from nasbench_suite.tabular.importers.built import table_of_curves
from nasbench_suite.tabular.importers.job import ImportJob, checked_name

CURVES = "curves"
"""What this importer is called."""
_NOT_STATED = "not stated; a build of one's own"
_PAPER = Paper(title=_NOT_STATED, authors=_NOT_STATED, venue=_NOT_STATED, year=0)
_METRICS = {
    "valid_accuracy": ("fraction", "max", "valid", "accuracy on the validation inputs after the epoch"),
    "test_accuracy": ("fraction", "max", "test", "accuracy on the test inputs after the epoch"),
    "train_accuracy": ("fraction", "max", "info", "mean over the batches of the epoch, while it learnt"),
    "valid_loss": ("nats", "min", "info", "mean cross entropy on the validation inputs after the epoch"),
    "test_loss": ("nats", "min", "test", "mean cross entropy on the test inputs after the epoch"),
    "train_loss": ("nats", "min", "info", "mean cross entropy over the batches of the epoch"),
    "train_seconds": ("s", "min", "cost", "seconds of training up to the epoch, and of one validation pass"),
    "params_millions": ("M", "min", "info", "number of trainable parameters"),
    "flops_millions": ("M", "min", "info", "multiply-adds of convolutions and linear layers, one input"),
}


def convert(job: ImportJob) -> None:
    """Convert a file of curves; see `ImportJob`."""
    path = job.one_file()
    (dataset,) = job.sheet.tasks
    curves = read_curve_file(path)
    source = Source(path.name, curves.progress(), Source.of([path]).sha256)
    job.save(table_of_curves(curves, source, job.sheet, job.task(dataset)))


def datasheet_of_curves(path: Path) -> Datasheet:
    """Return what the plan and the trainings in a file of curves say, as a datasheet.

    Raises
    ------
    DamagedFileError
        When the file is damaged, or has no plan.
    NasbenchSuiteError
        When the plan's task cannot name a table.
    """
    curves = read_curve_file(path)
    about = curves.description
    try:
        benchmark, _, dataset = json.loads(about.plan)["task"].partition("/")
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise DamagedFileError(f"{path} does not say what task it is of; build it again.") from problem
    return Datasheet(
        name=checked_name(benchmark),
        title=f"{benchmark}, a build of one's own",
        summary=f"Trained with nasbench-suite build: {curves.progress()}.",
        importer=CURVES,
        licence=_NOT_STATED,
        source=f"{path.name}, made with nasbench-suite build",
        paper=_PAPER,
        rows="One row per class of isomorphic architectures.",
        training=f"The build plan: {about.plan}",
        hardware="; ".join(", ".join(map(str, machine.values())) for machine in about.environments),
        splits=about.data,
        defects=[],
        metrics=_metrics(curves),
        tasks={
            checked_name(dataset): TaskEntry(
                title=dataset, space=about.space, valid="valid_accuracy", test="test_accuracy"
            )
        },
    )


def _metrics(curves: CurveFile) -> dict[str, MetricEntry]:
    entries = {
        name: MetricEntry.model_validate(dict(zip(MetricEntry.model_fields, values, strict=False)))
        for name, values in _METRICS.items()
    }
    space = get_space(curves.description.space)
    if isinstance(space, JointSpace):
        setting = MetricEntry(unit="1", direction="min", role="info", description="a setting of the training")
        entries |= dict.fromkeys(space.settings(curves.genes), setting)
    return entries
