"""What a validation finds: picks by their tables and trained from scratch, agreements, ensembles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.leaderboards.agreement import Agreement, deviation_of_present, mean_of_present
from nasbench_suite.leaderboards.pick_latencies import PickLatencies
from nasbench_suite.training.ensemble import Ensemble

Split = Literal["valid", "test"]
Gain = Literal["ensemble", "best_single", "mean_single", "over_best", "over_mean"]


@dataclass(frozen=True)
class Choice:
    """What a validation trains.

    Attributes
    ----------
    top
        Picks of each strategy.
    seeds
        Trainings of each pick.
    recipe, data
        Instead of those of the tables; empty for theirs.
    device
        `cpu` or `cuda`.
    best
        Of how many strategies, those of the best mean rank; of all if 0.
    latency
        Whether to say how long the networks of the picks take on this machine, too.
    """

    top: int = 3
    seeds: int = 3
    recipe: str = ""
    data: str = ""
    device: str = "cpu"
    best: int = 0
    latency: bool = False

    @property
    def options(self) -> str:
        """The options of the command line that stand for it."""
        given = {"best": self.best, "recipe": self.recipe, "data": self.data}
        words = [f"--top {self.top}", f"--seeds {self.seeds}"]
        words += [f"--{name} {value}" for name, value in given.items() if value]
        words += [f"--device {self.device}"] if self.device != "cpu" else []
        return " ".join([*words, *(["--latency"] if self.latency else [])])


@dataclass(frozen=True)
class Measured:
    """Mean and sample standard deviation over trainings, as fractions; NaN where these are too few."""

    mean: float
    sd: float
    trainings: int

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Measured":
        """Return what trainings gave, float64 `[trainings]`; NaN where one has no result."""
        row = values[None]
        number = int((~np.isnan(values)).sum())
        return cls(float(mean_of_present(row)[0]), float(deviation_of_present(row)[0]), number)


@dataclass(frozen=True)
class Pick:
    """One architecture of a column, by its table and trained from scratch.

    Attributes
    ----------
    architecture
        In the published string form.
    picked_by
        Runs that ended with it, by the labels of the strategies in whose top it is.
    table, trained
        What the table says, and what the trainings gave, by split.
    failures
        Why trainings ended early.
    """

    architecture: str
    picked_by: Mapping[str, int]
    table: Mapping[Split, Measured]
    trained: Mapping[Split, Measured]
    failures: Sequence[str]

    def gap(self, split: Split) -> float:
        """Return the result of the trainings less that of the table, a fraction."""
        return self.trained[split].mean - self.table[split].mean


@dataclass(frozen=True)
class EnsembleGain:
    """Ensembles of the picks that are best by validation in the trainings.

    Attributes
    ----------
    size
        Members of each.
    by_seed
        One ensemble for each seed, of networks that were trained with it.
    """

    size: int
    by_seed: Sequence[Ensemble]

    def over_seeds(self, split: Split, what: Gain) -> Measured:
        """Return mean and deviation over the seeds of one of the numbers in `Gains`."""
        return Measured.of(np.array([getattr(getattr(one, split), what) for one in self.by_seed]))


@dataclass(frozen=True)
class ColumnValidation:
    """One column of a board, validated.

    Attributes
    ----------
    column
        Its name.
    trained_for
        Tasks whose trainings were done once more, those of the validation and of the test results.
    recipe, data, seeds
        How, on what, and with which seeds.
    differences
        In what these trainings differ from the table's; sentences.
    missing
        What the tables cannot say of the picks, and why; sentences.
    picks
        Best by the table's validation first.
    agreement
        The table beside the trainings, by split.
    ensembles
        Of growing size; none where nothing is validated.
    latencies
        Of the picks, in their order; None if they were not asked for or cannot be had.
    """

    column: str
    trained_for: Sequence[str]
    recipe: str
    data: str
    seeds: Sequence[int]
    differences: Sequence[str]
    missing: Sequence[str]
    picks: Sequence[Pick]
    agreement: Mapping[Split, Agreement]
    ensembles: Sequence[EnsembleGain]
    latencies: PickLatencies | None = None


@dataclass(frozen=True)
class Validation:
    """All columns of a board that could be validated, and why the others could not.

    Attributes
    ----------
    title
        Of the board.
    choice
        What was trained.
    confidence
        Level of the intervals.
    """

    title: str
    choice: Choice
    confidence: float
    columns: Sequence[ColumnValidation]
    skipped: Mapping[str, str] = field(default_factory=dict)

    @property
    def skipped_by_reason(self) -> dict[str, list[str]]:
        """The columns that could not be validated, by what is wrong with all of them."""
        found: dict[str, list[str]] = {}
        for column, reason in self.skipped.items():
            found.setdefault(reason.removeprefix(f"{column} "), []).append(column)
        return found
