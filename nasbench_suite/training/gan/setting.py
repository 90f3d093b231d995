"""What it takes to train generators of a task, put together from its name."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from torch import Tensor

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.gan.classifier import Classifier, classifier_path, load_classifier
from nasbench_suite.training.gan.data import get_gan_data
from nasbench_suite.training.gan.plan import PLAN, gan_tasks
from nasbench_suite.training.gan.recipe import GanRecipe, get_gan_recipe
from nasbench_suite.training.machine import check_device


@dataclass(frozen=True, eq=False)
class GanSetting:
    """A space of generators, what they learn to make, how they are trained, and what judges them."""

    space: str
    data: TrainingData
    recipe: GanRecipe
    classifier: Classifier

    def __deepcopy__(self, memo: dict[int, Any]) -> "GanSetting":
        """Return it as it is: nothing in it ever changes."""
        return self

    def inputs(self, split: Literal["train", "valid", "test"]) -> Tensor:
        """Return the signals or images of a split, `[n, channels, *size]`."""
        return self.data.batch(getattr(self.data, split))[0]

    def request(self) -> dict[str, Any]:
        """Return what determines the result of a search that trains generators, as JSON values."""
        return {
            "data": self.data.provenance,
            "gan_recipe": asdict(self.recipe),
            "classifier_accuracy": dict(self.classifier.accuracy),
        }


def gan_setting_of(task: str, *, device: str = "cpu") -> GanSetting:
    """Return how generators of a task are trained.

    Raises
    ------
    NasbenchSuiteError
        When nothing says how, or the device or the data are not there.
    """
    check_device(device)
    known = gan_tasks()
    if task not in known:
        raise NasbenchSuiteError(
            f"{task} cannot be trained here: no {PLAN} says how; what can is {', '.join(known)}."
        )
    plan = known[task]
    data, classifier = (
        get_gan_data(plan.data).load(device),
        load_classifier(classifier_path(plan.data), device),
    )
    return GanSetting(plan.space, data, get_gan_recipe(plan.recipe), classifier)
