"""`nasbench-suite query`: the table's answer for given architectures."""

from typing import Any

import numpy as np
import typer

from nasbench_suite.cli.export import repeat_choice
from nasbench_suite.cli.output import Json, print_json, print_table
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.export import ARCHITECTURE, RepeatChoice, as_records, table_columns
from nasbench_suite.tabular.operator_sum import OperatorSumBenchmark
from nasbench_suite.tasks import SURROGATE, load_benchmark


def query(
    task: str = typer.Argument(help="BENCHMARK/DATASET, for example graph/cora."),
    architectures: list[str] = typer.Argument(
        metavar="ARCH...", help="In the published string form, or a number where these are official."
    ),
    epochs: int | None = typer.Option(None, help="Training epochs; full training without it."),
    repeat: str = typer.Option("mean", help="`mean`, `all`, or the number of one training (0, 1, ...)."),
    as_json: bool = Json,
) -> None:
    """Print what a table or a surrogate says of architectures: all metrics, test results included.

    Examples
    --------
        nasbench-suite query graph/cora 0122:fc,gat,gcn,graph

        nasbench-suite query graph/proteins 0123:arma,sage,gcn,sage --json

        nasbench-suite query surrogate:graph-cora-xgboost 0122:fc,gat,gcn,graph
    """
    benchmark = load_benchmark(task)
    genes = np.stack([benchmark.space.parse(text) for text in architectures])
    choice = repeat_choice(repeat)
    if isinstance(benchmark, TabularBenchmark):
        columns = _looked_up(benchmark, genes, epochs, choice)
    elif isinstance(benchmark, OperatorSumBenchmark):
        columns = _added_up(benchmark, genes, epochs, choice)
    elif task.startswith(SURROGATE):
        columns = _predicted(task, genes, epochs, choice)
    else:
        raise NasbenchSuiteError(f"{task} trains what it is asked; use nasbench-suite train.")
    columns[ARCHITECTURE] = benchmark.space.format(genes)  # as asked, if a row stands for a whole class
    if as_json:
        print_json(as_records(columns))
        return
    texts = columns.pop(ARCHITECTURE)
    cells = zip(*(map("{:.6g}".format, values) for values in columns.values()), strict=True)
    print_table([ARCHITECTURE, *columns], [[text, *row] for text, row in zip(texts, cells, strict=True)])


def _looked_up(
    benchmark: TabularBenchmark, genes: Genes, epochs: int | None, repeat: RepeatChoice
) -> dict[str, Any]:
    if benchmark.valid_metric:  # refuses what a search may not see: epochs known from test images alone
        benchmark.query(genes, epochs=epochs, repeat="mean" if repeat == "all" else repeat)
    return table_columns(benchmark.table, epochs=epochs, repeat=repeat, rows=benchmark.rows(genes))


def _added_up(
    benchmark: OperatorSumBenchmark, genes: Genes, epochs: int | None, repeat: RepeatChoice
) -> dict[str, Any]:
    if epochs is not None:
        raise NasbenchSuiteError(f"{benchmark.id} has no results after epochs; leave out --epochs.")
    one = "mean" if repeat == "all" else repeat  # there is one
    return dict(benchmark.query(genes, repeat=one, info=list(benchmark.metrics)).info)


def _predicted(task: str, genes: Genes, epochs: int | None, repeat: RepeatChoice) -> dict[str, Any]:
    """Return predictions and their deviations, test results of full training among them."""
    from nasbench_suite.surrogates.benchmark import SurrogateBenchmark  # loads scikit-learn

    benchmark = load_benchmark(task)
    assert isinstance(benchmark, SurrogateBenchmark)
    if repeat != "mean":
        raise NasbenchSuiteError(f"{task} predicts; ask it for the mean, whose deviation it says.")
    return benchmark.predictions(genes, epochs=epochs)
