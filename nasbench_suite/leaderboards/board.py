"""A board: everything that its pages show."""

from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.leaderboards.differences import Difference, differences
from nasbench_suite.leaderboards.finals import Finals
from nasbench_suite.leaderboards.outcomes import (
    Reference,
)
from nasbench_suite.leaderboards.over_tasks import OverTasks, over_tasks
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.leaderboards.scale import Scale, common_unit
from nasbench_suite.leaderboards.statistics import (
    Summary,
    mean_ranks,
    rank_correlation,
)
from nasbench_suite.leaderboards.supernets import Supernets
from nasbench_suite.strategies.card import strategy_cards

_FEWEST_FOR_CORRELATION = 5
_ROPE_OF_FRACTIONS, _ROPE_SHARE = 0.001, 0.01

RegretName = Literal["test_regret", "valid_regret"]


@dataclass(frozen=True)
class Board:
    """Everything that the pages of a leaderboard show.

    Attributes
    ----------
    rules
        The rules it was played by.
    references
        What regrets are measured against, by column (see `Rules.columns`).
    summaries
        By column and strategy label.
    evaluations, seconds
        Grids of the curves; `seconds` by column, empty where no cost is recorded.
    metrics, units
        Name and unit of the test metric by column.
    versions
        What the results depend on: processor and package versions of its records, the SHA-256 of every table
        and what it was read from.
    skipped
        Optional strategies that the tables cannot serve, by label, and why.
    not_held_out
        Columns whose publication has one result, which steers the search and judges it too.
    picks
        What the runs ended with, by task and strategy label; empty in boards of before these were kept.
    supernets
        Of strategies that train one, by column and label.
    finals
        What every run ended with, by column and label; empty in boards of before these were kept.
    """

    rules: Rules
    references: dict[str, Reference]
    summaries: dict[str, dict[str, Summary]]
    evaluations: NDArray[np.int64]
    seconds: dict[str, NDArray[np.float64]]
    metrics: dict[str, str]
    units: dict[str, str]
    versions: dict[str, str]
    skipped: dict[str, str] = field(default_factory=dict)
    not_held_out: list[str] = field(default_factory=list)
    picks: dict[str, dict[str, Picks]] = field(default_factory=dict)
    supernets: dict[str, dict[str, Supernets]] = field(default_factory=dict)
    finals: dict[str, dict[str, Finals]] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """Labels of the strategies that were played, in the order of the rules."""
        return [entry.name for entry in self.rules.strategies if entry.name not in self.skipped]

    @property
    def columns(self) -> list[str]:
        """Names of what results are shown of: tasks, or the rules' judgings."""
        return [column.name for column in self.rules.columns]

    @property
    def scales(self) -> dict[str, Scale]:
        """How the results of each column are written."""
        return {c: Scale.of(self.units[c], self.references[c].best_test) for c in self.columns}

    @property
    def result_unit(self) -> str:
        """What results are in, if all columns have that in common, as words that follow "in"."""
        return common_unit([scale.unit for scale in self.scales.values()])

    @property
    def difference_unit(self) -> str:
        """What regrets are in, if all columns have that in common, as words that follow "in"."""
        return common_unit([scale.difference for scale in self.scales.values()])

    def ranks(self, by: RegretName = "test_regret") -> dict[str, float]:
        """Return the mean rank over tasks of every strategy, by mean regret."""
        return dict(zip(self.labels, mean_ranks(self._regrets(by)).tolist(), strict=True))

    @cached_property
    def differences(self) -> dict[str, dict[str, Difference]]:
        """Every strategy beside the best one of each column; nothing where no finals are kept."""
        settings = {"resamples": self.rules.resamples, "seed": self.rules.seed}
        return {
            column: differences(of_column, confidence=self.rules.confidence, **settings)
            for column, of_column in self.finals.items()
        }

    def anytime(self, column: str, label: str) -> float:
        """Return the mean over runs of the mean test regret over the budget; NaN where none has one."""
        values = self.finals[column][label].anytime
        return float(np.mean(values[~np.isnan(values)])) if not np.isnan(values).all() else float("nan")

    def left_out(self, column: str) -> dict[str, int]:
        """Return how many runs have no test result, by strategy; nothing where all have, or none are kept.

        They ended with what the table has no test result of, or found nothing; means leave them out.
        """
        lacking = {
            label: int(np.isnan(of.test_regret).sum()) for label, of in self.finals.get(column, {}).items()
        }
        return {label: runs for label, runs in lacking.items() if runs}

    @cached_property
    def over_tasks(self) -> OverTasks | None:
        """What holds over all columns; None with fewer than three strategies or two columns."""
        table = self._regrets("test_regret")
        regrets = dict(zip(self.labels, table, strict=True))
        alpha = 1 - self.rules.confidence
        return over_tasks(regrets, self.ropes, alpha=alpha, seed=self.rules.seed)

    @property
    def ropes(self) -> NDArray[np.float64]:
        """Differences on each column within which strategies are as good, `[columns]`; see `Rules.rope`."""
        return np.array([self.rules.rope or self._usual_rope(column) for column in self.columns])

    def _usual_rope(self, column: str) -> float:
        if self.units[column] == "fraction":
            return _ROPE_OF_FRACTIONS
        return _ROPE_SHARE * abs(self.references[column].best_test) or 1.0

    def misled(self) -> list[str]:
        """Return the columns on which better validation goes with worse test over the strategies.

        That is where the rank correlation (Spearman) between the strategies' mean validation and test
        regrets is negative; it takes at least five strategies to mean anything.
        """
        if len(self.labels) < _FEWEST_FOR_CORRELATION:
            return []
        test, valid = self._regrets("test_regret"), self._regrets("valid_regret")
        correlations = [rank_correlation(test[:, t], valid[:, t]) for t in range(len(self.columns))]
        return [column for column, r in zip(self.columns, correlations, strict=True) if r < 0]

    def _regrets(self, name: RegretName) -> NDArray[np.float64]:
        """Return mean regrets, float64 `[strategies, columns]`."""
        return np.array(
            [
                [getattr(self.summaries[column][label], name).mean for column in self.columns]
                for label in self.labels
            ]
        )

    def by_rank(self) -> list[str]:
        """Return the labels, best mean rank first."""
        ranks = self.ranks()
        return sorted(self.labels, key=lambda label: ranks[label])

    def tuned_on(self, label: str) -> list[str]:
        """Return the columns on whose tasks the strategy's hyperparameters were chosen."""
        entry = next(e for e in self.rules.strategies if e.name == label)
        card = strategy_cards().get(entry.strategy)
        tuned = [] if card is None else card.tuned_on
        return [c.name for c in self.rules.columns if {c.search, c.valid, c.test} & set(tuned)]

    def as_data(self) -> dict[str, Any]:
        """Return tables and ranks as plain JSON values; infinity and NaN become null."""
        ranks, valid_ranks = self.ranks(), self.ranks(by="valid_regret")
        return {
            "title": self.rules.title,
            "ranking": [
                {
                    "strategy": label,
                    "rank_by_test_regret": ranks[label],
                    "rank_by_valid_regret": valid_ranks[label],
                }
                for label in self.by_rank()
            ],
            "tasks": {
                column: {
                    "metric": self.metrics[column],
                    "unit": self.units[column],
                    "reference": asdict(self.references[column]),
                    "left_out": self.left_out(column),
                    "strategies": {
                        label: {
                            key: _plain(value)
                            for key, value in asdict(summary).items()
                            if not key.endswith("_curve")
                        }
                        for label, summary in self.summaries[column].items()
                    },
                }
                for column in self.columns
            },
            "versions": self.versions,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not np.isfinite(value) else value
