"""Takes somebody's runs onto a board, after everything that can be checked of them was checked."""

import hashlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from nasbench_suite.blocks import Block, engine_sha256
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.finals import Finals
from nasbench_suite.leaderboards.outcomes import Outcomes, open_table
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.play_board import board_judge
from nasbench_suite.leaderboards.rescoring import check_scores
from nasbench_suite.leaderboards.rules import Entry, Rules
from nasbench_suite.leaderboards.statistics import Summary, summarise
from nasbench_suite.leaderboards.submission import STRATEGY, Submission, contest_of
from nasbench_suite.leaderboards.supernets import Supernets
from nasbench_suite.processor import processor
from nasbench_suite.runs import Runs
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.strategies.catalogue import get_strategy

_SAME = ("genes", "valid", "length", "counted", "seconds", "epochs")
"""What a block that is played again has to have in common with its record."""
Progress = Callable[[int, int], None]
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Admission:
    """A board with the new strategy on it.

    Attributes
    ----------
    board
        The board, whose rules have the strategy.
    scored, replayed, blocks
        How many blocks of runs were looked up again, were played again, and there are.
    remarks
        What could not be checked, and why, in sentences.
    """

    board: Board
    scored: int
    replayed: int
    blocks: int
    remarks: list[str]


def admit(
    board: Board,
    home: Path,
    submission: Submission,
    *,
    replays: int = 1,
    run_code: bool = False,
    progress: Progress | None = None,
) -> Admission:
    """Check a submission and return the board with it.

    All proposals of all runs are looked up in the tables again, budgets and clocks counted again. Of every
    task `replays` blocks are played again, chosen by the submission's content, and must give the same bytes.

    Parameters
    ----------
    board, home
        A board that was played, and the folder of its rules.
    submission
        As read; see `read_submission`.
    replays
        Blocks of each task to be played again.
    run_code
        Whether the submission's own file may be run for that.
    progress
        Called with the blocks that are done and all blocks.

    Raises
    ------
    NasbenchSuiteError
        When anything does not hold: the first thing, in a sentence.
    """
    _check_contest(board, submission)
    remarks: list[str] = []
    with tempfile.TemporaryDirectory() as place:
        work = Path(place)
        if submission.code is not None:
            (work / STRATEGY).write_bytes(submission.code)
        played = {task: _records(board.rules, submission, task, work) for task in board.rules.tasks}
        total, done = sum(map(len, played.values())), 0
        for task, records in played.items():
            for number, record in enumerate(records):
                _check_record(board.rules, submission, task, number, record)
                done += 1
                if progress is not None:
                    progress(done, total)
        replayed = 0
        reason = _why_not_replayed(submission, run_code)
        if reason:
            remarks.append(reason)
        elif replays:
            replayed = _replay(board.rules, submission, played, work, replays)
    if any(r.request.get("engine_sha256") != engine_sha256() for rs in played.values() for r in rs):
        remarks.append(
            "It was played by another version of the suite's engine; its scores hold all the same."
        )
    return Admission(_with(board, submission, played, replayed, total), total, replayed, total, remarks)


def _check_contest(board: Board, submission: Submission) -> None:
    ours, theirs = contest_of(board.rules), submission.head.contest
    for name in sorted({*ours, *theirs}):
        if ours.get(name) != theirs.get(name):
            raise NasbenchSuiteError(
                f"{submission.label} was played by other rules: its {name} is {theirs.get(name)!r}, the "
                f"board's {ours.get(name)!r}; play it by the board's."
            )
    if submission.label in [entry.name for entry in board.rules.strategies]:
        raise NasbenchSuiteError(
            f"the board has a strategy called {submission.label!r} already; submit it with another label."
        )
    if submission.code is None and submission.head.entry.strategy not in strategy_cards():
        raise NasbenchSuiteError(
            f"{submission.label} is {submission.head.entry.strategy}, which is no strategy of the suite, and "
            "its file is not in the submission."
        )


def _blocks(rules: Rules, submission: Submission, task: str, home: Path, *, own: bool = False) -> list[Block]:
    """Return the blocks that there must be; unless they are its `own`, nothing of the submission is run."""
    entry = submission.head.entry
    foreign = submission.code is not None
    stand_in = Entry(strategy="random_search", label=entry.name, runs=entry.runs)
    return rules.search(entry if own or not foreign else stand_in, task, home).blocks()


def _records(rules: Rules, submission: Submission, task: str, work: Path) -> list[Runs]:
    expected = _blocks(rules, submission, task, work)
    contents = submission.records(task)
    if len(contents) != len(expected):
        raise NasbenchSuiteError(
            f"{submission.label} has {len(contents)} records on {task}, and its runs make {len(expected)}."
        )
    records = []
    for number, content in enumerate(contents):
        path = work / f"{task.replace('/', '-')}-{number}.h5"
        path.write_bytes(content)
        records.append(Runs.load(path))
        path.unlink()
    return records


def _check_record(rules: Rules, submission: Submission, task: str, number: int, record: Runs) -> None:
    """Refuse a record that answers another request, or whose numbers the table does not give."""
    block, table = _blocks(rules, submission, task, Path())[number], open_table(task)
    where = f"block {number} of {submission.label} on {task}"
    budget = rules.budget(task)
    asked = {
        "task": task,
        "table_sha256": table.table.sha256,
        "budget": {f.name: getattr(budget, f.name) for f in fields(budget)},
        "duplicates": rules.duplicates,
        "repeat": rules.repeat,
        "seed": rules.seed,
        "block": number,
        "runs": block.runs,
        "reward": submission.head.entry.reward,
    }
    for name, value in asked.items():
        found = record.request.get(name)
        if name == "reward" and not value:
            continue  # the card's own
        if found != value:
            raise NasbenchSuiteError(f"{where} does not hold: its {name} is {found!r}, not {value!r}.")
    code = submission.code
    if code is not None and record.request.get("strategy_sha256") != hashlib.sha256(code).hexdigest():
        raise NasbenchSuiteError(f"{where} does not hold: it was played by another file than {STRATEGY}.")
    if len(record.length) != block.runs:
        raise NasbenchSuiteError(
            f"{where} does not hold: it has {len(record.length)} runs, not {block.runs}."
        )
    _, noise = block.seeds(task)
    problem = check_scores(
        record,
        table,
        budget,
        rules.duplicates,
        np.random.default_rng(noise) if rules.repeat == "random" else rules.repeat,
        resumes=_resumes(submission),
    )
    if problem:
        raise NasbenchSuiteError(f"{where} does not hold: {problem}.")


def _resumes(submission: Submission) -> bool:
    """Tell whether a strategy of the suite goes on with trainings; files of others pay every one in full."""
    return submission.code is None and bool(
        getattr(get_strategy(submission.head.entry.strategy), "resumes", False)
    )


def _why_not_replayed(submission: Submission, run_code: bool) -> str:
    if submission.code is not None and not run_code:
        return (
            "No block was played again: that would run the submission's own file. Read it, and allow it with "
            "--run-code."
        )
    card = strategy_cards().get(submission.head.entry.strategy)
    if card is not None and card.trains:
        return "No block was played again: the strategy trains networks, which takes as long as it did."
    return ""


def _replay(
    rules: Rules, submission: Submission, played: dict[str, list[Runs]], work: Path, replays: int
) -> int:
    """Play some blocks of each task again and return how many.

    Raises
    ------
    NasbenchSuiteError
        When one is not what the record says.
    """
    content = hashlib.sha256("".join(sorted(submission.head.sha256.values())).encode()).digest()
    rng = np.random.default_rng(int.from_bytes(content[:8], "big"))
    count = 0
    for task, records in played.items():
        blocks = _blocks(rules, submission, task, work, own=True)
        for number in sorted(rng.permutation(len(records))[:replays].tolist()):
            other = _what_differs(records[number], blocks[number].play())
            if other:
                raise NasbenchSuiteError(
                    f"block {number} of {submission.label} on {task} does not hold: played again, its "
                    f"{other} are others{_versions(submission)}."
                )
            count += 1
    return count


def _what_differs(record: Runs, again: Runs) -> str:
    """Return the name of the first array that two records do not have in common; empty if there is none."""
    for name in _SAME:
        own, new = getattr(record, name), getattr(again, name)
        if own is None and new is None:
            continue
        if own is None or new is None or own.shape != new.shape:
            return name
        if not np.array_equal(own, new, equal_nan=own.dtype.kind == "f"):
            return name
    return ""


def _versions(submission: Submission) -> str:
    made = ", ".join(f"{name} {version}" for name, version in submission.head.made_with.items())
    return f" (it was made with {made}; here the processor is {processor()})"


def _with(
    board: Board, submission: Submission, played: dict[str, list[Runs]], replayed: int, total: int
) -> Board:
    """Return the board with the outcomes of the submission's runs."""
    label, rules = submission.label, board.rules
    seconds = {column.search: board.seconds[column.name] for column in rules.columns}
    judge = board_judge(rules, board.evaluations, seconds)
    outcomes: dict[str, list[Outcomes]] = {}
    supernets: dict[str, list[Supernets]] = {}
    picks: dict[str, list[Picks]] = {}
    for task, records in played.items():
        for record in records:
            judged = judge(record, open_table(task))
            picks.setdefault(task, []).append(judged.picks)
            for column, (of_block, of_supernets) in judged.columns.items():
                outcomes.setdefault(column, []).append(of_block)
                if of_supernets is not None:
                    supernets.setdefault(column, []).append(of_supernets)
    joined = {column: Outcomes.concatenate(parts) for column, parts in outcomes.items()}
    digest = hashlib.sha256("".join(sorted(submission.head.sha256.values())).encode()).hexdigest()

    def summary(column: str) -> Summary:
        return summarise(
            joined[column],
            best_test=board.references[column].best_test,
            confidence=rules.confidence,
            resamples=rules.resamples,
            seed=rules.seed,
        )

    return replace(
        board,
        rules=rules.model_copy(update={"strategies": [*rules.strategies, submission.entry]}),
        summaries={
            column: {**of_column, label: summary(column)} for column, of_column in board.summaries.items()
        },
        picks=_added(board.picks, label, {task: Picks.join(parts) for task, parts in picks.items()}),
        supernets={
            column: {
                **board.supernets.get(column, {}),
                **({label: Supernets.concatenate(supernets[column])} if column in supernets else {}),
            }
            for column in sorted({*board.supernets, *supernets})
        },
        finals=_added(
            board.finals, label, {column: Finals.of(o, board.evaluations) for column, o in joined.items()}
        ),
        versions={
            **board.versions,
            f"submission {label}": f"{digest}; all {total} blocks looked up again, {replayed} played again",
        },
    )


def _added(kept: dict[str, dict[str, Kept]], label: str, new: dict[str, Kept]) -> dict[str, dict[str, Kept]]:
    """Return what is kept by label with one more; nothing where the board is of before it was kept."""
    return {name: {**of_name, label: new[name]} for name, of_name in kept.items()}
