"""`nasbench-suite export`: a task's table for other programs."""

from pathlib import Path

import typer

from nasbench_suite.cli.output import Json, note, print_json
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.export import (
    RepeatChoice,
    as_csv,
    as_records,
    check_format,
    table_columns,
    write_columns,
)
from nasbench_suite.tabular.operator_sum import OperatorSumBenchmark
from nasbench_suite.tasks import load_benchmark


def export(
    task: str = typer.Argument(help="BENCHMARK/DATASET, for example graph/cora."),
    out: Path | None = typer.Option(
        None, help="A .csv, .csv.gz, .json or .parquet file; CSV is printed without."
    ),
    metrics: str = typer.Option("", help="Only these, separated by commas."),
    epochs: int | None = typer.Option(None, help="Training epochs; full training without it."),
    repeat: str = typer.Option("mean", help="`mean`, `all`, or the number of one training (0, 1, ...)."),
    as_json: bool = Json,
) -> None:
    """Write all architectures of a task and their results, test results included.

    Examples
    --------
        nasbench-suite export graph/cora --out cora.csv.gz

        nasbench-suite export graph/proteins --metrics valid_roc_auc,test_roc_auc | head
    """
    if out is not None:
        check_format(out)
        if out.exists():
            raise NasbenchSuiteError(f"{out} is there already; choose another --out or remove it.")
    benchmark = load_benchmark(task)
    if isinstance(benchmark, OperatorSumBenchmark):
        raise NasbenchSuiteError(
            f"{task} adds up operators for any of {benchmark.space.size:,} networks, too many to export; "
            "nasbench-suite query answers for those that you name."
        )
    if not isinstance(benchmark, TabularBenchmark):
        raise NasbenchSuiteError(f"{task} is no table, so there are no rows to export.")
    asked = [name.strip() for name in metrics.split(",") if name.strip()]
    columns = table_columns(benchmark.table, metrics=asked, epochs=epochs, repeat=repeat_choice(repeat))
    if out is not None:
        write_columns(columns, out)
        note(f"{len(benchmark.table):,} architectures in {out}")
    elif as_json:
        print_json(as_records(columns))
    else:
        print(as_csv(columns), end="")


def repeat_choice(text: str) -> RepeatChoice:
    """Return what `--repeat` asks for.

    Raises
    ------
    NasbenchSuiteError
        When it is neither a word that is known nor a number.
    """
    if text.isdigit():
        return int(text)
    if text == "mean":
        return "mean"
    if text == "all":
        return "all"
    raise NasbenchSuiteError(f"--repeat is mean, all or the number of a training, not {text!r}.")
