"""`nasbench-suite device`: what architectures cost on a device, from few measurements or its operators."""

import csv
import io
from pathlib import Path

import numpy as np
import typer

from nasbench_suite.cli.output import Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.cli.timing_options import (
    Batch,
    Classes,
    Device,
    Precision,
    Rounds,
    Seconds,
    Shape,
    Threads,
    conditions_of,
)
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.foreign.cells import Cells, read_cells
from nasbench_suite.spaces import Genes, SearchSpace
from nasbench_suite.storage import write_whole

app = typer.Typer(
    help="Predict what architectures cost on a device of yours, from a few measurements or its operators.",
    no_args_is_help=True,
)
_ARCHITECTURE = "architecture"

Known = typer.Option(
    ..., "--known", metavar="TASK", help="Table with costs on other devices: help/nats_topology."
)
Quantity = typer.Option("latency_ms", help="The cost, with its unit in the name.")
Devices = typer.Option("", metavar="NAME,...", help="Known devices to learn from; all without it.")


@app.command()
def choose(
    known: str = Known,
    samples: int = typer.Option(10, min=2, help="How many architectures you will measure."),
    quantity: str = Quantity,
    devices: str = Devices,
    as_json: bool = Json,
) -> None:
    """Print which architectures to measure on your device: those that tell most.

    Examples
    --------
        nasbench-suite device choose --known help/nats_topology --samples 10

        nasbench-suite device choose --known hw_nas_bench/cifar10 --quantity energy_mj
    """
    from nasbench_suite.hardware.device_table import device_table
    from nasbench_suite.hardware.few_shot import choose_samples, parts_of

    table = device_table(known, quantity, _names(devices))
    parts = parts_of(table.space, table.genes, table.costs)
    chosen = table.space.format(table.genes[choose_samples(parts, table.costs, samples)])
    if as_json:
        print_json(chosen)
        return
    print_table([_ARCHITECTURE], [[text] for text in chosen])
    note(
        f"measure these and write a CSV with columns {_ARCHITECTURE},{quantity}; then: nasbench-suite device "
        f"fit FILE --known {known} --out PREDICTED.csv"
    )


@app.command()
def fit(
    measured: Path = typer.Argument(
        help="CSV with a column `architecture` and one named after the quantity."
    ),
    known: str = Known,
    out: Path = typer.Option(..., help="CSV to write: all architectures of the known table."),
    quantity: str = Quantity,
    devices: str = Devices,
    as_json: bool = Json,
) -> None:
    """Predict the costs of all architectures of a table on your device, from those that you measured.

    Example:

        nasbench-suite device fit measured.csv --known help/nats_topology --out predicted.csv
    """
    from nasbench_suite.hardware.device_table import device_table
    from nasbench_suite.hardware.few_shot import FewShotCosts
    from nasbench_suite.tabular.row_index import row_keys

    table = device_table(known, quantity, _names(devices))
    cells = read_cells(measured)
    genes = _architectures(cells, table.space)
    place = {key: row for row, key in enumerate(row_keys(table.space, table.genes, "string").tolist())}
    rows = [place.get(key, -1) for key in row_keys(table.space, genes, "string").tolist()]
    if -1 in rows:
        raise NasbenchSuiteError(
            f"{cells.file}, {cells.place(rows.index(-1))}: this architecture is not in {known}; measure ones "
            "that are: nasbench-suite device choose."
        )
    costs = cells.numbers(quantity)
    model = FewShotCosts(table.space, table.genes, table.costs, np.array(rows), costs, quantity, "new")
    predicted = model.predict(table.genes)
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([_ARCHITECTURE, quantity])
    writer.writerows(zip(table.space.format(table.genes), (f"{c:.6g}" for c in predicted), strict=True))
    write_whole(out, target.getvalue().encode())
    low, middle, high = np.quantile(predicted, [0, 0.5, 1]).tolist()
    if as_json:
        print_json({"architectures": len(predicted), "least": low, "median": middle, "most": high})
        return
    print_table(
        ["architectures", "measured", "least", "median", "most"],
        [[f"{len(predicted):,}", str(len(costs)), *(f"{value:.4g}" for value in (low, middle, high))]],
        title=f"{quantity}, predicted",
    )
    note(
        f"{out}; a table of it: nasbench-suite import table {out} --space {table.space.name} --name "
        f"NAME/DATASET --arch {_ARCHITECTURE} --info {quantity}={quantity}"
    )


@app.command()
def operators(
    space: str = typer.Argument(help="A space in which every gene adds blocks of its own."),
    name: str = typer.Option(..., help="What this machine shall be called: costs are latency_ms@NAME."),
    out: Path = typer.Option(..., help="File to write; refused if the timings vary too much."),
    device: str = Device,
    threads: int = Threads,
    batch: int = Batch,
    precision: str = Precision,
    shape: str = Shape,
    classes: int = Classes,
    rounds: int = Rounds,
    seconds: float = Seconds,
    most_spread: float = typer.Option(
        0.25, min=0.0, help="How much a timing may vary; the file says how much one did."
    ),
    quiet: bool = Quiet,
    as_json: bool = Json,
) -> None:
    """Measure every operator of a space on this machine, of which `nasbench-suite cost` adds up networks.

    Example:

        nasbench-suite device operators nats_topology --name mybox --out mybox.h5
    """
    from nasbench_suite.hardware.operator_latencies import save_operator_latencies
    from nasbench_suite.hardware.operator_timing import measure_operators
    from nasbench_suite.hardware.stopwatch import Stopwatch

    conditions = conditions_of(space, shape, classes, batch, device, threads, precision)
    watch = Stopwatch(rounds=rounds, seconds=seconds, most_spread=most_spread)
    with interruptible("nothing was written."), progress("measuring", quiet) as advance:
        model = measure_operators(space, name, conditions, watch, advance)
    save_operator_latencies(model, out)
    if as_json:
        entries = [row[~np.isnan(row)].tolist() for row in model.entries]
        print_json({**model.description.model_dump(), "rest": model.rest, "entries": entries})
        return
    headings = ["gene", *map(str, range(model.entries.shape[1]))]
    rows = [[str(gene), *map(_milliseconds, row)] for gene, row in enumerate(model.entries)]
    print_table(headings, rows, title="milliseconds that a value of a gene adds")
    note(f"all else takes {model.rest:.4g} ms; {model.description.machine}")
    note(f"{out}; networks of it: nasbench-suite cost {space} ARCH... --operators {out}")


def _milliseconds(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4g}"


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")] if text else []


def _architectures(cells: Cells, space: SearchSpace) -> Genes:
    texts = cells.texts(_ARCHITECTURE)
    if not texts:
        raise NasbenchSuiteError(f"{cells.file} holds no architecture; give at least two.")
    return np.stack([space.parse(text) for text in texts])
