"""The numbers of a board on disk: one small HDF5 file from which its pages can be written again."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.finals import Finals
from nasbench_suite.leaderboards.outcomes import Reference
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.rules import Rules, find_leaderboard
from nasbench_suite.leaderboards.statistics import Curve, Estimate, Reached, Summary
from nasbench_suite.leaderboards.supernets import Supernets
from nasbench_suite.sealed import Kind, open_sealed, write_sealed

KIND = Kind("board", 2, "play the board again")
RESULTS = "results.h5"
Kept = TypeVar("Kept", Supernets, Finals)


def save_board(board: Board, path: Path) -> None:
    """Write the board's numbers to an HDF5 file, whole or not at all."""

    def fill(file: h5py.File) -> None:
        file.attrs["head"] = _head(board)
        for name, values in _numbers(board).items():
            packed = name.startswith(("picks/", "supernets/", "finals/")) and values.size > 1
            packing = {"compression": "gzip", "shuffle": True} if packed else {}
            file.create_dataset(name, data=values, **packing)

    write_sealed(path, KIND, fill)


def load_board(path: Path) -> Board:
    """Read a board's numbers and verify their checksum.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt, or no board.
    NasbenchSuiteError
        When there is no such file.
    """
    if not path.is_file():
        raise NasbenchSuiteError(f"there is no {path}; play the board first: nasbench-suite leaderboard run.")
    with open_sealed(path, KIND) as file:
        numbers = {name: file[name][()] for name in _dataset_names(file)}
        return _from_parts(json.loads(file.attrs["head"]), numbers)


def find_board(place: str) -> Path:
    """Return the folder of a board that was played, given by path or by name.

    A folder into which a leaderboard was played has results, but need not have rules.

    Raises
    ------
    UnknownNameError
        When there is neither such a folder nor such a leaderboard.
    """
    return Path(place) if (Path(place) / RESULTS).is_file() else find_leaderboard(place)


def _dataset_names(file: h5py.File) -> list[str]:
    names: list[str] = []
    file.visititems(lambda name, entry: names.append(name) if isinstance(entry, h5py.Dataset) else None)
    return sorted(names)


def _head(board: Board) -> str:
    return json.dumps(
        {
            "rules": board.rules.model_dump(),
            "references": {task: asdict(reference) for task, reference in board.references.items()},
            "metrics": board.metrics,
            "units": board.units,
            "versions": board.versions,
            "skipped": board.skipped,
            "not_held_out": board.not_held_out,
        },
        sort_keys=True,
    )


def _key(board_task: str, label_number: int) -> str:
    return f"{board_task.replace('/', ':')}/{label_number:03d}"


def _numbers(board: Board) -> dict[str, NDArray[Any]]:
    """Return all numbers by dataset name: per task and strategy one row of scalars and the curves."""
    numbers: dict[str, NDArray[Any]] = {"evaluations": board.evaluations}
    for task in board.columns:
        numbers[f"seconds/{task.replace('/', ':')}"] = board.seconds[task]
        for number, label in enumerate(board.labels):
            summary, key = board.summaries[task][label], _key(task, number)
            scalars = [float(summary.runs)]
            for field in fields(Summary):
                value = getattr(summary, field.name)
                if isinstance(value, Estimate | Reached):
                    scalars += list(asdict(value).values())
                elif isinstance(value, Curve):
                    numbers[f"curves/{key}/{field.name}"] = np.array([value.mean, value.low, value.high])
            numbers[f"scalars/{key}"] = np.array(scalars)
    return (
        numbers | _picks_as_arrays(board) | _by_strategy(board, "supernets") | _by_strategy(board, "finals")
    )


def _by_strategy(board: Board, kind: Literal["supernets", "finals"]) -> dict[str, NDArray[Any]]:
    found: dict[str, dict[str, Supernets]] | dict[str, dict[str, Finals]] = getattr(board, kind)
    return {
        f"{kind}/{_key(column, board.labels.index(label))}/{field.name}": getattr(one, field.name)
        for column, by_label in found.items()
        for label, one in by_label.items()
        for field in fields(one)
    }


def _picks_as_arrays(board: Board) -> dict[str, NDArray[Any]]:
    """Return, per task, the rows that any strategy picked and how often each did: `[strategies, rows]`."""
    numbers: dict[str, NDArray[Any]] = {}
    for task, of_task in board.picks.items():
        picks = [of_task[label] for label in board.labels]
        rows, place = np.unique(np.concatenate([p.genes for p in picks]), axis=0, return_inverse=True)
        runs = np.zeros((len(picks), len(rows)), dtype=np.int32)
        ends = np.cumsum([len(p) for p in picks])[:-1]
        for number, (own, at) in enumerate(zip(picks, np.split(place.ravel(), ends), strict=True)):
            runs[number, at] = own.runs
        name = f"picks/{task.replace('/', ':')}"
        numbers |= {f"{name}/genes": rows, f"{name}/runs": runs}
    return numbers


def _from_parts(head: dict[str, Any], numbers: dict[str, NDArray[Any]]) -> Board:
    rules = Rules.model_validate(head["rules"])
    labels = [entry.name for entry in rules.strategies if entry.name not in head["skipped"]]
    columns = [column.name for column in rules.columns]
    # Boards of before units were kept have fractions only, and call the names of metrics units.
    metrics = head.get("metrics", head["units"])
    return Board(
        rules=rules,
        references={task: Reference(**values) for task, values in head["references"].items()},
        summaries={
            task: {label: _summary(numbers, _key(task, n)) for n, label in enumerate(labels)}
            for task in columns
        },
        evaluations=numbers["evaluations"],
        seconds={task: numbers[f"seconds/{task.replace('/', ':')}"] for task in columns},
        metrics=metrics,
        units=head["units"] if "metrics" in head else dict.fromkeys(columns, "fraction"),
        versions=head["versions"],
        skipped=head["skipped"],
        not_held_out=head.get("not_held_out", []),
        picks=_picks(rules.tasks, labels, numbers),
        supernets=_read_by_strategy(Supernets, "supernets", columns, labels, numbers),
        finals=_read_by_strategy(Finals, "finals", columns, labels, numbers),
    )


def _read_by_strategy(
    cls: type[Kept], kind: str, columns: list[str], labels: list[str], numbers: dict[str, NDArray[Any]]
) -> dict[str, dict[str, Kept]]:
    """Return what is kept by column and label; nothing where the file is of before that was kept."""
    names = [field.name for field in fields(cls)]
    found: dict[str, dict[str, Kept]] = {}
    for column in columns:
        for number, label in enumerate(labels):
            place = f"{kind}/{_key(column, number)}"
            if f"{place}/{names[0]}" in numbers:
                parts = {name: numbers[f"{place}/{name}"] for name in names}
                found.setdefault(column, {})[label] = cls(**parts)
    return found


def _picks(
    tasks: list[str], labels: list[str], numbers: dict[str, NDArray[Any]]
) -> dict[str, dict[str, Picks]]:
    """Return what the runs ended with; nothing where the file is of before that was kept."""
    if not any(name.startswith("picks/") for name in numbers):
        return {}
    picks: dict[str, dict[str, Picks]] = {}
    for task in tasks:
        rows, runs = (numbers[f"picks/{task.replace('/', ':')}/{part}"] for part in ("genes", "runs"))
        picks[task] = {
            label: Picks(rows[own > 0], own[own > 0].astype(np.int64))
            for label, own in zip(labels, runs, strict=True)
        }
    return picks


def _summary(numbers: dict[str, NDArray[Any]], key: str) -> Summary:
    scalars = iter(numbers[f"scalars/{key}"].tolist())
    parts: dict[str, Any] = {}
    for field in fields(Summary):
        if field.type is int:
            parts[field.name] = int(next(scalars))
        elif field.type in (Estimate, Reached):
            parts[field.name] = field.type(*(next(scalars) for _ in fields(field.type)))
        else:
            parts[field.name] = Curve(*numbers[f"curves/{key}/{field.name}"])
    return Summary(**parts)
