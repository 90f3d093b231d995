"""Whether a board that was played again agrees with the kept one, and what parts them."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.finals import Finals
from nasbench_suite.leaderboards.results import RESULTS

_NOT_RECORDED = "not recorded"


@dataclass(frozen=True)
class Departure:
    """A strategy and a column on which two boards differ.

    Attributes
    ----------
    now, kept
        The mean test results, as the boards write them.
    errors
        The mean difference between runs of the same number, in its standard errors; NaN where that cannot be
        said, as of one run, of runs that all differ by the same, or of a board without finals.
    """

    label: str
    column: str
    now: str
    kept: str
    errors: float


def departures(board: Board, kept: Board) -> list[Departure]:
    """Return where two boards with the same rules differ, to the last digit."""
    return [
        Departure(
            label, column, scale.text(new.mean), scale.text(old.mean), _errors(board, kept, column, label)
        )
        for column, scale in board.scales.items()
        for label in board.labels
        if (new := board.summaries[column][label].test) != (old := kept.summaries[column][label].test)
    ]


def _errors(board: Board, kept: Board, column: str, label: str) -> float:
    """Return the size of the mean difference in standard errors, by pairs of runs."""
    new, old = _finals(board, column, label), _finals(kept, column, label)
    if new is None or old is None:
        return float("nan")
    by = new.test_regret - old.test_regret
    by = by[~np.isnan(by)]
    if len(by) < 2 or np.allclose(by, by[0]):
        return float("nan")
    return abs(float(np.mean(by))) / (float(np.std(by, ddof=1)) / math.sqrt(len(by)))


def _finals(board: Board, column: str, label: str) -> Finals | None:
    return board.finals.get(column, {}).get(label)


def made_otherwise(board: Board, kept: Board) -> dict[str, tuple[str, str]]:
    """Return what two boards were not made with alike, by name: of the board, and of the kept one.

    That is the processor, versions, and tables (`table TASK`).
    """
    names = sorted({*board.versions, *kept.versions})
    pairs = {
        name: (board.versions.get(name, _NOT_RECORDED), kept.versions.get(name, _NOT_RECORDED))
        for name in names
        if not name.startswith("submission ")
    }
    return {name: (new, old) for name, (new, old) in pairs.items() if new != old}


def compare(board: Board, kept: Board, home: Path) -> str:
    """Say whether a board agrees with the one kept in a folder, where it does not, and what parts them."""
    if board.rules != kept.rules:
        return f"the rules have changed since {home / RESULTS} was played; the boards are not compared."
    cells = len(board.columns) * len(board.labels)
    found = departures(board, kept)
    if not found:
        return f"all {cells} results are equal, to the last digit, to those kept in {home}."
    known = [one.errors for one in found if not np.isnan(one.errors)]
    size = f", by up to {max(known):.1f} standard errors" if known else ""
    where = "; ".join(f"{one.label} on {one.column} ({one.now}, kept {one.kept})" for one in found)
    differ = f"{len(found)} of {cells} results differ from those kept in {home}{size}"
    return f"{differ}: {where}. {_why(board, kept)}"


def _why(board: Board, kept: Board) -> str:
    parted = made_otherwise(board, kept)
    if not parted:
        return "Processor, versions and tables are the same, so the code has changed."
    tables = [name for name in parted if name.startswith("table ")]
    if tables:
        return f"The kept board was played on other tables: {', '.join(name[6:] for name in tables)}."
    others = ", ".join(f"{name} {new} (kept: {old})" for name, (new, old) in parted.items())
    return (
        f"They were played with {others}, which may be why: what a strategy learns in floating point ends "
        "otherwise on another processor or with other versions, and the search goes another way."
    )
