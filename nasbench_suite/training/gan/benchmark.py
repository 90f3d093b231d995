"""Training of generators behind the Benchmark protocol: see `training/by_training.py`.

Points of a curve are steps of the generator at which it is judged. A training that failed has the scores of a
generator that makes nothing but zeros, as in tables.
"""

from collections.abc import Mapping
from pathlib import Path

from nasbench_suite.benchmark import Metric
from nasbench_suite.training.by_training import COST, BenchmarkByTraining
from nasbench_suite.training.gan.curves import GanCurves
from nasbench_suite.training.gan.kept import KeptGans
from nasbench_suite.training.gan.plan import GanPlan
from nasbench_suite.training.gan.recipe import get_gan_recipe

_VALID, _TEST = "frechet_valid", "frechet_test"
_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(_VALID, "1", "min", "valid", "Fréchet distance to the validation inputs"),
        Metric(_TEST, "1", "min", "test", "Fréchet distance to the test inputs"),
        Metric("inception", "1", "max", "info", "inception score, 1 to the number of classes"),
        Metric("generator_hinge_loss", "1", "min", "info", "of the generator, mean since the last point"),
        Metric("critic_hinge_loss", "1", "min", "info", "of the discriminator, mean since the last point"),
        Metric(COST, "s", "min", "cost", "measured: training up to the point, judgement apart"),
    )
}


class GanTrainingBenchmark(BenchmarkByTraining[GanCurves]):
    """Scores generators by training them, each against a discriminator of its own.

    Parameters
    ----------
    plan
        What is made, how, and with which seeds; `repeat` is the position of a seed.
    folder
        Where trainings are stored, and taken from when they are asked for again, by this process or another;
        None: they are kept in memory alone.
    device
        `cpu` or `cuda`.
    """

    unit = "steps"
    metrics = _METRICS

    def __init__(self, plan: GanPlan, *, folder: Path | None = None, device: str = "cpu"):
        recipe = get_gan_recipe(plan.recipe)
        super().__init__(
            plan.task,
            KeptGans(plan, folder=folder, device=device),
            seeds=plan.seeds,
            fidelities=recipe.points,
            valid=_VALID,
            test=_TEST,
        )
        self.plan, self.folder, self.device = plan, folder, device

    def __repr__(self) -> str:
        return f"<GanTrainingBenchmark {self.id}: recipe {self.plan.recipe}, seeds {self.plan.seeds}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.plan, self.folder, self.device)

    def value(self, one: GanCurves, name: str, at: int) -> float:
        """Return a metric of a training at a point, or what it has cost until there: every step the same."""
        if name == COST:
            return float(one.train_seconds[0]) * self.fidelities[at] / self.fidelities[-1]
        return float(getattr(one, name.replace("_hinge_loss", "_loss"))[0, at])


def _again(plan: GanPlan, folder: Path | None, device: str) -> GanTrainingBenchmark:
    return GanTrainingBenchmark(plan, folder=folder, device=device)
