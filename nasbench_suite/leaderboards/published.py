"""A board beside the published comparison that it reproduces: differences, standard errors, verdicts."""

from dataclasses import dataclass
from math import isnan, sqrt
from typing import Literal

from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.rules import Published, PublishedResult
from nasbench_suite.leaderboards.statistics import Estimate

Quantity = Literal["valid", "test"]


@dataclass(frozen=True)
class Comparison:
    """One published number beside ours, on the scale of the column: accuracies in percent.

    Attributes
    ----------
    strategy, column, quantity
        Label, column of the board, and whether it is the validation or the test result.
    published_mean, published_sd
        As printed; NaN where no standard deviation is.
    mean, sd, runs
        Ours, over so many runs.
    difference, standard_error
        Ours less published, and the standard error of this difference, from both numbers of runs; from ours
        alone where no standard deviation is published.
    mean_agrees, sd_agrees
        Whether they are within the tolerances of the rules; `sd_agrees` is None where that is not asked.
    tolerance
        That of the mean.
    note
        Why they differ, from the rules.
    """

    strategy: str
    column: str
    quantity: Quantity
    published_mean: float
    published_sd: float
    mean: float
    sd: float
    runs: int
    difference: float
    standard_error: float
    tolerance: float
    mean_agrees: bool
    sd_agrees: bool | None
    note: str

    @property
    def published(self) -> str:
        """The published number as printed."""
        return spread_of(self.published_mean, self.published_sd)

    @property
    def ours(self) -> str:
        """Our number in the same form."""
        return spread_of(self.mean, self.sd)

    @property
    def agrees(self) -> bool:
        """Whether everything that is asked agrees."""
        return self.mean_agrees and self.sd_agrees is not False

    @property
    def verdict(self) -> str:
        """What to print: whether it agrees, and if not, in what."""
        if self.agrees:
            return "agrees"
        wrong = []
        if not self.mean_agrees:
            wrong.append(f"the mean is {self.difference:+.2f} off (tolerance {self.tolerance:g})")
        if self.sd_agrees is False:
            ratio = self.sd / self.published_sd if self.published_sd else float("inf")
            wrong.append(f"the spread is {ratio:.2f} times the published one")
        return "; ".join(wrong)


def spread_of(mean: float, sd: float) -> str:
    """Write mean and standard deviation with two decimals; the mean alone where the latter is NaN."""
    return f"{mean:.2f}" if isnan(sd) else f"{mean:.2f} ± {sd:.2f}"


def compare(board: Board) -> list[Comparison]:
    """Return every published result that the board has a result for, in the order of the rules."""
    published = board.rules.published
    if published is None:
        return []
    return [
        _compare(board, published, row, quantity)
        for row in published.results
        if row.strategy in board.labels
        for quantity in _quantities(row)
    ]


def remarks(comparisons: list[Comparison]) -> list[tuple[str, str]]:
    """Return what the rules say of numbers that do not agree: where, and the note, each note once."""
    places: dict[str, dict[str, list[str]]] = {}
    for c in comparisons:
        if c.note and not c.agrees:
            columns = places.setdefault(c.note, {}).setdefault(c.strategy, [])
            if c.column not in columns:
                columns.append(c.column)
    return [
        ("; ".join(f"{strategy} on {', '.join(columns)}" for strategy, columns in where.items()), note)
        for note, where in places.items()
    ]


def _quantities(row: PublishedResult) -> list[Quantity]:
    return [quantity for quantity in ("valid", "test") if getattr(row, quantity)]


def _compare(board: Board, published: Published, row: PublishedResult, quantity: Quantity) -> Comparison:
    summary = board.summaries[row.judged][row.strategy]
    ours: Estimate = getattr(summary, quantity)
    if quantity == "test" and published.chosen_by == "test":
        ours = summary.best_test_seen
    mean, sd = (*getattr(row, quantity), float("nan"))[:2]
    factor = board.scales[row.judged].factor
    our_mean, our_sd = factor * ours.mean, factor * ours.sd
    tolerance = published.tolerance(row.judged)
    # A published number has two decimals: half of the last one is not a difference.
    mean_agrees = abs(our_mean - mean) <= tolerance + 0.005
    return Comparison(
        strategy=row.strategy,
        column=row.judged,
        quantity=quantity,
        published_mean=mean,
        published_sd=sd,
        mean=our_mean,
        sd=our_sd,
        runs=summary.runs,
        difference=our_mean - mean,
        standard_error=sqrt(our_sd**2 / summary.runs + (0.0 if isnan(sd) else sd) ** 2 / published.runs),
        tolerance=tolerance,
        mean_agrees=mean_agrees,
        sd_agrees=_sd_agrees(published, our_sd, sd),
        note=row.note,
    )


def _sd_agrees(published: Published, ours: float, theirs: float) -> bool | None:
    if published.sd_tolerance is None or isnan(theirs):
        return None
    return abs(ours - theirs) <= published.sd_tolerance * theirs + 0.005
