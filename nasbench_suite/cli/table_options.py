"""The options of `nasbench-suite import table` that say what columns mean, without a mapping file."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from nasbench_suite.benchmark import Direction, Role
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular.datasheet import MetricEntry
from nasbench_suite.tabular.importers.mapping import BenchmarkEntry, TableMapping, TaskMapping

_METRIC = re.compile(
    r"\s*(?P<name>[A-Za-z]\w*)\s*(?:\[(?P<unit>[^\],]*)(?:,\s*(?P<direction>\w+)\s*)?\])?\s*=(?P<columns>.+)"
)
_EPOCH = re.compile(r"\s*(?:epoch)?([1-9][0-9]*)\s*:(.+)")
_UNITS = {"seconds": "s", "ms": "ms", "mj": "mJ", "millions": "M", "accuracy": "fraction", "auc": "fraction"}
_SMALLER_IS_BETTER = ("loss", "error", "perplexity", "latency", "energy", "params", "flops", "macs")


def table_mapping(
    task: str,
    space: str,
    arch: str,
    metrics: Mapping[Role, Sequence[str]],
    *,
    settings: Sequence[str] = (),
    percent: bool = False,
    licence: str = "",
) -> TableMapping:
    """Return the mapping that the options of one command make.

    Parameters
    ----------
    task
        `BENCHMARK/DATASET`.
    space, arch
        Name of the space, and the column with the architectures.
    metrics
        `NAME=COLUMNS` or `NAME[UNIT,DIRECTION]=COLUMNS` by role. COLUMNS are separated by commas: one per
        training, each with its training epochs before a colon where there are several (`12:val12`).
    settings
        Columns with hyperparameters that are searched too.
    percent
        Whether validation and test columns are in per cent, to be stored as fractions.
    licence
        Licence of the data; not stated if empty.

    Raises
    ------
    NasbenchSuiteError
        When an option is missing or has another form.
    """
    benchmark, slash, dataset = task.partition("/")
    if not (slash and benchmark and dataset):
        raise NasbenchSuiteError(f"--name is BENCHMARK/DATASET, for example mine/cifar10, not {task!r}.")
    for option, value in (("--space", space), ("--arch or --index", arch)):
        if not value and (space or arch or not settings):
            raise NasbenchSuiteError(f"{option} is missing; without --mapping it has to be given.")
    entries: dict[str, MetricEntry] = {}
    columns: dict[str, Any] = {}
    for role, texts in metrics.items():
        for text in texts:
            name, entry, read_from = _metric(role, text, percent and role in ("valid", "test"))
            if name in entries:
                raise NasbenchSuiteError(f"metric {name} is given twice; separate its columns by commas.")
            entries[name], columns[name] = entry, read_from
    if not columns:
        raise NasbenchSuiteError("no metric is given; give at least one, such as --valid accuracy=COLUMN.")
    about = BenchmarkEntry(name=benchmark, licence=licence) if licence else BenchmarkEntry(name=benchmark)
    return TableMapping(
        benchmark=about,
        metrics=entries,
        tasks={dataset: TaskMapping(space=space, arch=arch, settings=list(settings), columns=columns)},
    )


def _metric(role: Role, text: str, percent: bool) -> tuple[str, MetricEntry, Any]:
    found = _METRIC.fullmatch(text)
    if found is None:
        raise NasbenchSuiteError(
            f"--{role} {text!r} has another form than NAME=COLUMNS or NAME[UNIT,DIRECTION]=COLUMNS, for "
            "example accuracy=val_acc."
        )
    name, direction = found["name"], found["direction"]
    if direction not in (None, "min", "max"):
        raise NasbenchSuiteError(f"--{role} {text!r}: the direction is min or max, not {direction!r}.")
    if role in ("valid", "test") and not name.startswith(role):
        name = f"{role}_{name}"  # the same name for both would be one metric
    unit = (found["unit"] or "").strip() or _UNITS.get(name.rpartition("_")[2].lower(), "not stated")
    entry = MetricEntry(
        unit=unit,
        direction=cast(Direction, direction) if direction else _direction(role, name),
        role=role,
        description=f"read from {found['columns'].strip()}{', per cent' if percent else ''}",
    )
    return name, entry, _columns(role, found["columns"], percent)


def _direction(role: Role, name: str) -> Direction:
    smaller = role == "cost" or any(word in name.lower() for word in _SMALLER_IS_BETTER)
    return "min" if smaller or name.lower().endswith("seconds") else "max"


def _columns(role: Role, text: str, percent: bool) -> Any:
    """Return `COLUMNS` as a mapping file writes them."""
    by_epoch: dict[str, list[str]] = {}
    for part in text.split(","):
        found = _EPOCH.fullmatch(part)
        epoch, column = (found[1], found[2].strip()) if found else ("", part.strip())
        if not column:
            raise NasbenchSuiteError(f"--{role}: {text!r} names an empty column; write columns as a,b,c.")
        by_epoch.setdefault(epoch, []).append(_fraction(column) if percent else column)
    if "" in by_epoch and len(by_epoch) > 1:
        raise NasbenchSuiteError(f"--{role}: {text!r} gives epochs for some columns only; give them for all.")
    plain = {e: formulas[0] if len(formulas) == 1 else formulas for e, formulas in by_epoch.items()}
    return plain.get("", plain)


def _fraction(column: str) -> str:
    """Return the formula for a column in per cent."""
    is_one_name = not re.search(r"[`()*/+]", column) and not re.search(r"\s-\s", column)
    quoted = f"`{column}`" if is_one_name else f"({column})"
    return f"{quoted} / 100"
