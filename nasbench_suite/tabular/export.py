"""A table's results as plain columns for other programs: all metrics, test results included."""

import csv
import gzip
import io
import json
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import get_space
from nasbench_suite.storage import write_whole
from nasbench_suite.tabular.row_index import Rows
from nasbench_suite.tabular.table import Table, Values

ARCHITECTURE = "architecture"
RepeatChoice = Literal["mean", "all"] | int


def table_columns(
    table: Table,
    *,
    metrics: Sequence[str] = (),
    epochs: int | None = None,
    repeat: RepeatChoice = "mean",
    rows: Rows | None = None,
) -> dict[str, Any]:
    """Return the architectures and the values of every metric.

    Parameters
    ----------
    metrics
        Names; all that are recorded after `epochs` without it.
    epochs
        Training epochs; None for full training.
    repeat
        The mean over trainings, the position of one, or `"all"`: a column `NAME_0`, `NAME_1`, ... for each,
        where the table holds several.
    rows
        Only these rows, int32 `[n]`; all without it.

    Returns
    -------
    columns
        `architecture`: list of text in the published form; then float64 `[rows]` by name, NaN where missing.

    Raises
    ------
    UnknownNameError
        When there is no such metric.
    NasbenchSuiteError
        When there are no results after these epochs, or no such training.
    """
    for name in metrics:
        if name not in table.metrics:
            raise UnknownNameError(f"metric of {table.description.task} called", name, table.metrics)
    _check(table, epochs, repeat)
    names = metrics or [name for name in table.metrics if _position(table, name, epochs) is not None]
    chosen = slice(None) if rows is None else rows
    genes = table.genes[chosen]
    columns: dict[str, Any] = {ARCHITECTURE: get_space(table.description.space).format(genes)}
    for name in names:
        at = _position(table, name, epochs)
        if at is None:
            raise NasbenchSuiteError(
                f"{table.description.task} has {name} after {table.epochs[-1]} epochs only; leave out "
                "--epochs."
            )
        columns |= _values(name, table.columns[name][chosen, :, at], repeat)
    return columns


def _check(table: Table, epochs: int | None, repeat: RepeatChoice) -> None:
    task, offered = table.description.task, table.epochs.tolist()
    if epochs is not None and epochs not in offered:
        known = ", ".join(map(str, offered)) or "full training only (leave --epochs out)"
        raise NasbenchSuiteError(f"{task} has no results after {epochs} epochs; it offers {known}.")
    trainings = len(table.description.repeats)
    if isinstance(repeat, int) and not 0 <= repeat < trainings:
        raise NasbenchSuiteError(
            f"{task} holds {trainings} training(s) per architecture; --repeat is mean, all or a number from "
            f"0 to {trainings - 1}, not {repeat}."
        )


def _position(table: Table, name: str, epochs: int | None) -> int | None:
    """Return the place on the epoch axis of a metric; None where it is not recorded after `epochs`."""
    recorded = table.metrics[name].recorded
    if epochs is None or recorded == "once":
        return -1
    offered: list[int] = table.epochs.tolist()
    if recorded == "last epoch":
        return -1 if epochs == offered[-1] else None
    return offered.index(epochs)


def _values(name: str, values: Values, repeat: RepeatChoice) -> dict[str, Values]:
    """Return the columns of a metric whose results are `[rows, repeats]`."""
    trainings = values.shape[1]
    if trainings == 1:
        return {name: values[:, 0]}
    if repeat == "all":
        return {f"{name}_{place}": values[:, place] for place in range(trainings)}
    if isinstance(repeat, int):
        return {name: values[:, repeat]}
    present = ~np.isnan(values)
    total, count = np.where(present, values, 0.0).sum(axis=1), present.sum(axis=1)
    return {name: np.divide(total, count, out=np.full(len(values), np.nan), where=count > 0)}


def as_csv(columns: dict[str, Any]) -> str:
    """Return columns as CSV; every number reads back to the same bits, and what is missing is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    plain = [
        values if name == ARCHITECTURE else map(_cell, values.tolist()) for name, values in columns.items()
    ]
    writer.writerows(zip(*plain, strict=True))
    return text.getvalue()


def _cell(value: float) -> str:
    return "" if math.isnan(value) else repr(value)


def as_records(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Return columns as one dictionary per architecture; None where a value is missing."""
    plain = [
        values if name == ARCHITECTURE else [None if math.isnan(v) else v for v in values.tolist()]
        for name, values in columns.items()
    ]
    return [dict(zip(columns, row, strict=True)) for row in zip(*plain, strict=True)]


def write_columns(columns: dict[str, Any], path: Path) -> None:
    """Write columns to a `.csv`, `.csv.gz`, `.json` or `.parquet` file, whole or not at all.

    Raises
    ------
    NasbenchSuiteError
        When the name ends otherwise, a package is missing, or the file cannot be written.
    """
    check_format(path)
    if path.suffix == ".parquet":
        import pandas as pd  # takes half a second, and only Parquet needs it

        content = pd.DataFrame(columns).to_parquet(index=False)
    elif path.suffix == ".json":
        content = (json.dumps(as_records(columns), ensure_ascii=False) + "\n").encode()
    else:
        content = as_csv(columns).encode()
        if path.suffix == ".gz":
            content = gzip.compress(content, mtime=0)  # no time of day, so the same bytes each time
    write_whole(path, content)


def check_format(path: Path) -> None:
    """Check that `write_columns` can write a file of this name; see there."""
    if not path.name.endswith((".csv", ".csv.gz", ".json", ".parquet")):
        raise NasbenchSuiteError(f"{path.name} must end in .csv, .csv.gz, .json or .parquet.")
    if path.suffix == ".parquet" and find_spec("pyarrow") is None:
        raise NasbenchSuiteError(
            f"writing {path.name} needs pyarrow; run: pip install 'nasbench-suite[parquet]', or choose .csv."
        )
