"""The checklist of Lindauer and Hutter, answered for a board from what the suite knows of it.

Lindauer, Hutter: "Best Practices for Scientific Research on Neural Architecture Search" (JMLR 21, 2020),
section 2; the questions are in our words.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from nasbench_suite.content import content_root
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.rules import Entry
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.tabular.datasheet import Datasheet, TaskEntry, datasheets, described_tasks

Verdict = Literal["yes", "partly", "no"]
_FEW_RUNS = 10


@dataclass(frozen=True)
class Answer:
    """One question, whether the board meets it, and the reason."""

    part: str
    question: str
    verdict: Verdict
    reason: str


def checklist(board: Board) -> list[Answer]:
    """Return the answers to all questions, in the order of the paper."""
    return [Answer(part, question, *answer(board)) for part, question, answer in _QUESTIONS]


def _training(board: Board) -> tuple[Verdict, str]:
    """Code that trains the final architectures."""
    tasks = _tasks(board)
    unknown = [task for task in tasks if not _can_be_trained(task)]
    if not unknown:
        return "yes", "architectures of all tasks can be trained anew with the table's recipe"
    if len(unknown) < len(tasks):
        return "partly", f"nothing here trains architectures of {', '.join(unknown)}; its publication does"
    return "no", "results are looked up; the publications of the tables have the training code"


def _space(board: Board) -> tuple[Verdict, str]:
    return "yes", "spaces are code of the suite, and a table names its own"


def _final_settings(board: Board) -> tuple[Verdict, str]:
    lacking = [task for task in _tasks(board) if _sheet(task) is None]
    if lacking:
        return "partly", f"no datasheet describes {', '.join(lacking)}"
    return "yes", "the datasheets below say how architectures were trained; tables keep their seeds apart"


def _method_code(board: Board) -> tuple[Verdict, str]:
    foreign = [entry.name for entry in _entries(board) if entry.strategy not in strategy_cards()]
    if foreign:
        return "partly", f"{', '.join(foreign)} come from a file of their own, of which a checksum is kept"
    return "yes", "every strategy is code of the suite"


def _method_settings(board: Board) -> tuple[Verdict, str]:
    return "yes", f"cards and rules have all hyperparameters with their sources; seed {board.rules.seed}"


def _same_benchmark(board: Board) -> tuple[Verdict, str]:
    return "yes", "all strategies are answered by the same tables, whose checksums are below"


def _confounders(board: Board) -> tuple[Verdict, str]:
    trained = _that_train(board)
    if trained:
        return "partly", (
            f"{'; '.join(trained)} train networks on the machine that played the board, whose speed is in "
            "their seconds; all else is looked up"
        )
    return "yes", "nothing is trained or timed: results and seconds are those of the tables"


def _ablations(board: Board) -> tuple[Verdict, str]:
    names = [entry.strategy for entry in _entries(board)]
    varied = sorted({name for name in names if names.count(name) > 1})
    if varied:
        return "yes", f"{', '.join(varied)} with several settings"
    return "no", "every strategy is there with one setting"


def _protocol(board: Board) -> tuple[Verdict, str]:
    if board.supernets:
        return "partly", "strategies that share weights end with what they derive, the others by validation"
    return "yes", "same budget, same duplicates, same choice of the incumbent by validation"


def _over_time(board: Board) -> tuple[Verdict, str]:
    return "yes", "figures show results over the budget"


def _random_search(board: Board) -> tuple[Verdict, str]:
    if any(entry.strategy == "random_search" for entry in _entries(board)):
        return "yes", "it is one of the strategies"
    return "no", "it is not one of the strategies"


def _repeated(board: Board) -> tuple[Verdict, str]:
    runs = {label: board.summaries[board.columns[0]][label].runs for label in board.labels}
    few = [f"{label} ({count})" for label, count in runs.items() if count < _FEW_RUNS]
    if few:
        return "partly", f"few runs of {'; '.join(few)}; seed {board.rules.seed}"
    return "yes", f"{min(runs.values())} runs or more of each, all from seed {board.rules.seed}"


def _tabular(board: Board) -> tuple[Verdict, str]:
    return "yes", "that is what the board is made of"


def _tuning(board: Board) -> tuple[Verdict, str]:
    tuned = sorted({task for entry in _entries(board) for task in _tuned_on(entry.strategy)})
    where = f"chosen on {', '.join(tuned)} where a card says so" if tuned else "those of the publications"
    return "partly", f"settings are {where}; what tuning has cost is not recorded"


def _whole_time(board: Board) -> tuple[Verdict, str]:
    lacking = [column for column in board.columns if not len(board.seconds[column])]
    if lacking:
        return "no", f"the tables of {', '.join(lacking)} do not record what a training takes"
    return "yes", "curves over seconds have every evaluation of a search"


def _details(board: Board) -> tuple[Verdict, str]:
    return "yes", "rules, versions and checksums are below; one command plays the board again"


_Answering = Callable[[Board], tuple[Verdict, str]]
_CODE, _COMPARISON, _REPORT = "releasing code", "comparing methods", "reporting details"
_QUESTIONS: tuple[tuple[str, str, _Answering], ...] = (
    (_CODE, "Is the code released that trains the final architectures?", _training),
    (_CODE, "Is the code of the search space released?", _space),
    (_CODE, "Are hyperparameters and seeds of the final trainings known?", _final_settings),
    (_CODE, "Is the code of the search methods released?", _method_code),
    (_CODE, "Are hyperparameters and seeds of the search methods known?", _method_settings),
    (_COMPARISON, "Do all methods have the same data, space and training?", _same_benchmark),
    (_COMPARISON, "Are hardware, versions and run times out of the comparison?", _confounders),
    (_COMPARISON, "Are there ablations?", _ablations),
    (_COMPARISON, "Are all methods judged by the same protocol?", _protocol),
    (_COMPARISON, "Are results shown over time?", _over_time),
    (_COMPARISON, "Is random search there?", _random_search),
    (_COMPARISON, "Are there several runs, and are their seeds known?", _repeated),
    (_COMPARISON, "Were tables or surrogates used to look closely?", _tabular),
    (_REPORT, "Is it known how hyperparameters were tuned, and at what cost?", _tuning),
    (_REPORT, "Is the time of the whole method reported?", _whole_time),
    (_REPORT, "Are all details of the setup reported?", _details),
)


def _entries(board: Board) -> list[Entry]:
    return [entry for entry in board.rules.strategies if entry.name not in board.skipped]


def _tasks(board: Board) -> list[str]:
    """Return the tasks that judge, each once."""
    return list(dict.fromkeys(column.test for column in board.rules.columns))


def _sheet(task: str) -> Datasheet | None:
    return described_tasks().get(task) or datasheets().get(task.partition("/")[0])


def _can_be_trained(task: str) -> bool:
    sheet = _sheet(task)
    if sheet is None:
        return False
    folder = content_root() / "tabular" / sheet.name
    if any((folder / plan).is_file() for plan in ("build.toml", "gan.toml")):
        return True
    entries: dict[str, TaskEntry] = {sheet.task(name): entry for name, entry in sheet.tasks.items()}
    return task in entries and entries[task].training is not None


def _that_train(board: Board) -> list[str]:
    cards = strategy_cards()
    return [e.name for e in _entries(board) if e.strategy in cards and cards[e.strategy].trains]


def _tuned_on(strategy: str) -> list[str]:
    card = strategy_cards().get(strategy)
    return [] if card is None else card.tuned_on
