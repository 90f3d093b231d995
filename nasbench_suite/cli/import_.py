"""`nasbench-suite import`: official or own files into tables."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import typer

from nasbench_suite.benchmark import Role
from nasbench_suite.cards import read_card
from nasbench_suite.cli.output import Jobs, Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.cli.table_options import table_mapping
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import get_space
from nasbench_suite.tabular.catalogue import import_tables, imported_tasks, read_any_table, table_path
from nasbench_suite.tabular.datasheet import Datasheet
from nasbench_suite.tabular.importers import IMPORTERS
from nasbench_suite.tabular.importers.mapping import TableMapping
from nasbench_suite.tabular.operator_table import OperatorTable
from nasbench_suite.tabular.table import Table
from nasbench_suite.workers import available_cores

_TABLE = "table"
SURROGATES = "nasbench301-models"
"""A format whose files become surrogates, not tables."""
_OF_TABLE = "Files of your own (format table)"


def import_(
    format_name: str = typer.Argument(
        metavar="FORMAT", help="What the files are; `table` for any CSV or Parquet."
    ),
    files: list[Path] = typer.Argument(
        metavar="FILE...", help="Official files or folders, or your own file."
    ),
    name: str = typer.Option("", help="What to call the benchmark; with `table` BENCHMARK/DATASET."),
    mapping: Path | None = typer.Option(
        None, help="TOML file that says what the columns are.", rich_help_panel=_OF_TABLE
    ),
    space: str = typer.Option("", help="The search space.", rich_help_panel=_OF_TABLE),
    arch: str = typer.Option("", help="Column with architectures as text.", rich_help_panel=_OF_TABLE),
    index: str = typer.Option("", help="Column with official indices instead.", rich_help_panel=_OF_TABLE),
    settings: str = typer.Option(
        "",
        metavar="COLUMN,...",
        help="Columns with hyperparameters that are searched too; with or without architectures.",
        rich_help_panel=_OF_TABLE,
    ),
    valid: list[str] = typer.Option(
        [], metavar="NAME=COLUMNS", help="What steers a search.", rich_help_panel=_OF_TABLE
    ),
    test: list[str] = typer.Option(
        [], metavar="NAME=COLUMNS", help="What judges it.", rich_help_panel=_OF_TABLE
    ),
    cost: list[str] = typer.Option(
        [], metavar="NAME=COLUMNS", help="Seconds of an evaluation.", rich_help_panel=_OF_TABLE
    ),
    info: list[str] = typer.Option(
        [], metavar="NAME=COLUMNS", help="Anything else a search may see.", rich_help_panel=_OF_TABLE
    ),
    percent: bool = typer.Option(
        False, "--percent", help="Validation and test columns are in per cent.", rich_help_panel=_OF_TABLE
    ),
    partial: bool = typer.Option(
        False, "--partial", help="Import what is there, although official records are missing."
    ),
    licence: str = typer.Option("", help="Licence of the data.", rich_help_panel=_OF_TABLE),
    jobs: int = Jobs,
    quiet: bool = Quiet,
    as_json: bool = Json,
) -> None:
    r"""Convert files to tables that every other command finds by name.

    COLUMNS are columns of the file, or arithmetic over them. Commas separate trainings; `12:` before a column
    says after how many epochs. The unit and the direction follow the metric's name unless they are given:
    `--info 'latency_ms[ms,min]=lat'`.

    Examples
    --------
        nasbench-suite import nats-topology NATS-tss-v1_0-3ffb9-simple

        nasbench-suite import table mine.csv --space nats_topology --name mine/cifar10 --arch cell \
          --valid accuracy=12:val12,200:val200 --test accuracy=200:test --percent --cost seconds=time

        nasbench-suite import table hpo.csv --name mine/hpo --settings lr,batch --valid accuracy=acc

        nasbench-suite import table joint.csv --name mine/joint --space nats_topology --arch cell \
          --settings lr,batch --valid accuracy=acc

        nasbench-suite import table mine.csv --mapping mine.toml

        nasbench-suite import curves curves.h5

        nasbench-suite import nasbench301-models nb_models_1.0
    """
    if format_name == SURROGATES:
        _report_surrogates(files, name, quiet, as_json)
        return
    if format_name not in IMPORTERS:
        raise UnknownNameError("importer", format_name, [*IMPORTERS, SURROGATES])
    options = {"valid": valid, "test": test, "cost": cost, "info": info}
    of_table = [mapping, space, arch, index, settings, percent, licence, *options.values()]
    if format_name != _TABLE and any(of_table):
        raise NasbenchSuiteError(
            f"importer {format_name} knows its columns; leave out the options of `table`."
        )
    meaning: TableMapping | None = None
    if format_name == _TABLE and mapping is not None:
        if any(of_table[1:]):
            raise NasbenchSuiteError(
                "--mapping says what the columns are; leave out the other options of `table`."
            )
        meaning = read_card(mapping, TableMapping)
    elif format_name == _TABLE:
        if arch and index:
            raise NasbenchSuiteError("--arch and --index are two ways to say the same; give one of them.")
        metrics: dict[Role, list[str]] = {"valid": valid, "test": test, "cost": cost, "info": info}
        meaning = table_mapping(
            name,
            space,
            arch or index,
            metrics,
            settings=[column.strip() for column in settings.split(",")] if settings else [],
            percent=percent,
            licence=licence,
        )
        name = meaning.benchmark.name
    report_import(
        format_name, files, meaning, name=name, partial=partial, jobs=jobs, quiet=quiet, as_json=as_json
    )


def _report_surrogates(folders: list[Path], name: str, quiet: bool, as_json: bool) -> None:
    """Import the models of NAS-Bench-301 and print which surrogates came of them."""
    from nasbench_suite.surrogates.nasbench301 import import_models  # loads XGBoost

    with interruptible("what was made is kept."), progress(f"importing {SURROGATES}", quiet) as advance:
        made, left_out = import_models(folders, name or "nasbench301", advance)
    if as_json:
        print_json([{"folder": str(folder), **card.model_dump(exclude_none=True)} for folder, card in made])
        return
    rows = [
        [f"surrogate:{card.name}", str(found.members), f"{found.trees:,}", folder.as_posix()]
        for folder, card in made
        if (found := card.imported)
    ]
    print_table(["task", "members", "trees", "folder"], rows)
    for ensemble in left_out:
        note(f"{ensemble.folder} is left out: it is of kind {ensemble.kind}; only xgb and lgb can be read")


def report_import(
    format_name: str,
    files: list[Path],
    meaning: TableMapping | None = None,
    *,
    sheet: Datasheet | None = None,
    name: str = "",
    partial: bool = False,
    jobs: int = 0,
    quiet: bool = False,
    as_json: bool = False,
) -> None:
    """Import files and print which tables came of them."""
    options = {"mapping": meaning.model_dump_json()} if meaning else {}
    if partial:
        options["partial"] = "yes"
    before, started = set(imported_tasks()), time.perf_counter()
    with interruptible("no table was made."), progress(f"importing {format_name}", quiet) as advance:
        tasks = import_tables(
            format_name,
            files,
            sheet=meaning.datasheet() if meaning else sheet,
            name=name,
            jobs=jobs or available_cores(),
            progress=advance,
            options=options,
        )
    seconds = time.perf_counter() - started
    facts = [_facts(task) for task in tasks]
    if as_json:
        print_json({"tables": facts, "seconds": round(seconds, 3)})
        return
    headings = ["task", "epochs", "metrics", "rows", "absent", "repeats", "MB"]
    print_table(headings, [[_shown(fact[key]) for key in headings] for fact in facts], left=3)
    for fact in facts:
        for metric, rows in fact["without_result"].items():
            note(f"{fact['task']}: {rows:,} of {fact['rows']:,} rows have no {metric}.")
    note(f"{len(tasks)} table(s) in {seconds:.1f} s; list them again with: nasbench-suite list benchmarks")
    replaced = sorted(before & set(tasks))
    if replaced:
        note(f"replaced what was there before of {', '.join(replaced)}")


def _facts(task: str) -> dict[str, Any]:
    path = table_path(task)
    table = read_any_table(path)
    facts: dict[str, Any] = {"task": task, "epochs": [], "metrics": list(table.metrics)}
    if isinstance(table, OperatorTable):
        facts |= {"rows": None, "absent": 0, "without_result": {}}  # sums answer for the whole space
    else:
        space = get_space(table.description.space)
        whole = space.size if table.description.rows == "string" else space.distinct
        facts |= {"epochs": table.epochs.tolist(), "rows": len(table), "absent": whole - len(table)}
        facts["without_result"] = _without_result(table)
    return facts | {
        "repeats": len(table.description.repeats),
        "MB": round(path.stat().st_size / 1e6, 1),
    }


def _without_result(table: Table) -> dict[str, int]:
    """Return how many rows have no fully trained result of a metric, by metric; nothing where all have."""
    found: dict[str, int] = {}
    for name, metric in table.metrics.items():
        if metric.role in ("valid", "test", "cost"):
            lacking = int(np.isnan(table.columns[name][:, :, -1]).all(axis=1).sum())
            found |= {name: lacking} if lacking else {}
    return found


def _shown(value: Any) -> str:
    if value is None:
        return "sums"
    if isinstance(value, list):
        words = list(map(str, value))
        return (
            ", ".join(words if len(words) <= 6 else [words[0], words[1], "…", words[-1]]) or "full training"
        )
    return f"{value:,}" if isinstance(value, int) else str(value)
