"""Scaling of several tasks by rules: laws of error by compute, and the picks of boards beside them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nasbench_suite.leaderboards.outcomes import open_table
from nasbench_suite.leaderboards.results import RESULTS, find_board, load_board
from nasbench_suite.leaderboards.scaling import Asked, Role, Scaling, scaling_of
from nasbench_suite.leaderboards.scaling_picks import Above, above_the_curve, picks_for
from nasbench_suite.leaderboards.scaling_rules import ScalingEntry, ScalingRules

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Scaled:
    """A task of the board.

    Attributes
    ----------
    scaling
        Its laws.
    board, searched
        Whose picks are shown and which of its tasks was searched for them; empty without a board.
    above
        By role of the judging metric and strategy; empty without a board.
    """

    scaling: Scaling
    board: str
    searched: str
    above: Mapping[Role, Mapping[str, Above]]


@dataclass(frozen=True, eq=False)
class ScalingBoard:
    """What was asked for, and what was found of every entry, in the rules' order."""

    rules: ScalingRules
    tasks: list[Scaled]


def judge_scaling(rules: ScalingRules, progress: Progress) -> ScalingBoard:
    """Fit every task of the rules, and look where the picks of its board lie.

    Raises
    ------
    UnknownNameError
        When there is no such task, cost or board.
    NasbenchSuiteError
        As `scaling_of` and `picks_for`, and when a table or the results of a board are not here.
    """
    asked = Asked(rules.confidence, rules.resamples, rules.seed)
    found: list[Scaled] = []
    for entry in rules.tasks:
        progress(len(found), len(rules.tasks))
        found.append(_scaled(entry, asked))
    progress(len(found), len(rules.tasks))
    return ScalingBoard(rules, found)


def _scaled(entry: ScalingEntry, asked: Asked) -> Scaled:
    benchmark = open_table(entry.task)
    home = find_board(entry.board) if entry.board else None
    board = load_board(home / RESULTS) if home else None  # before anything is fitted, which takes longer
    searched, picks = picks_for(board, home, entry.task) if board and home else ("", {})
    scaling = scaling_of(benchmark, entry.cost, asked)
    above: dict[Role, dict[str, Above]] = {
        one.role: above_the_curve(scaling, one, benchmark, picks, asked)
        for one in scaling.judgements
        if picks
    }
    return Scaled(scaling, home.name if home else "", searched, above)
