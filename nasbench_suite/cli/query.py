"""`nasbench-suite query`: the table's answer for given architectures."""

from typing import Any

import numpy as np
import typer

from nasbench_suite.benchmark import Repeat
from nasbench_suite.cli.output import Json, print_json, print_table
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tasks import load_benchmark


def query(
    task: str = typer.Argument(help="BENCHMARK/DATASET, for example graph/cora."),
    architectures: list[str] = typer.Argument(metavar="ARCH...", help="In the published string form."),
    epochs: int | None = typer.Option(None, help="Training epochs; full training without it."),
    repeat: str = typer.Option("mean", help="`mean`, or the number of one training (0, 1, ...)."),
    as_json: bool = Json,
) -> None:
    """Print what a table says of architectures: all metrics, test results included.

    Examples
    --------
        nasbench-suite query graph/cora 0122:fc,gat,gcn,graph

        nasbench-suite query graph/proteins 0123:arma,sage,gcn,sage --json
    """
    benchmark = load_benchmark(task)
    genes = np.stack([benchmark.space.parse(text) for text in architectures])
    visible = [name for name, metric in benchmark.metrics.items() if metric.role == "info"]
    answer = benchmark.query(genes, epochs=epochs, repeat=_repeat(repeat), info=visible)
    by_role = {metric.role: name for name, metric in benchmark.metrics.items()}
    columns: dict[str, Any] = {by_role["valid"]: answer.valid}
    if epochs is None and repeat == "mean":
        columns[by_role["test"]] = benchmark.reveal(genes).test
    if answer.seconds is not None:
        columns[by_role["cost"]] = answer.seconds
    columns |= answer.info
    if as_json:
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        print_json(
            [
                {"architecture": text, **dict(zip(columns, row, strict=True))}
                for text, row in zip(benchmark.space.format(genes), rows, strict=True)
            ]
        )
        return
    rows = zip(*(map("{:.6g}".format, values) for values in columns.values()), strict=True)
    table = [[text, *row] for text, row in zip(benchmark.space.format(genes), rows, strict=True)]
    print_table(["architecture", *columns], table)


def _repeat(text: str) -> Repeat:
    if text == "mean":
        return "mean"
    if not text.isdigit():
        raise NasbenchSuiteError(f"--repeat is 'mean' or the number of a training, not {text!r}.")
    return int(text)
