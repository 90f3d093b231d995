"""`nasbench-suite cost`: what architectures cost on devices."""

from pathlib import Path
from typing import Any

import numpy as np
import typer

from nasbench_suite.cli.output import Json, note, print_json, print_table
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.hardware import CostModel, open_costs
from nasbench_suite.hardware.operator_latencies import read_operator_latencies
from nasbench_suite.hardware.resolution import LEAST_LATENCY_MS, below_resolution
from nasbench_suite.spaces import get_space

_MARK = "*"


def cost(
    space: str = typer.Argument(help="The space of the architectures."),
    architectures: list[str] = typer.Argument(
        metavar="ARCH...", help="In the published string form, or a number where these are official."
    ),
    model: list[str] = typer.Option(
        [], metavar="COST", help="`QUANTITY@DEVICE`, or `TASK:METRIC`; several may be given."
    ),
    operators: list[Path] = typer.Option(
        [], metavar="FILE", help="Operators measured by `nasbench-suite device operators`, to be added up."
    ),
    dataset: str = typer.Option("", help="Whose input size is meant, where several tables know the device."),
    as_json: bool = Json,
) -> None:
    """Print what architectures cost on devices; `nasbench-suite list devices` lists the costs by name.

    Latencies that are too short to rank by are marked.

    Examples
    --------
        nasbench-suite cost nats_topology 0 1462 --model latency_ms@raspi4 --model energy_mj@edgegpu

        nasbench-suite cost nats_topology 0 --model latency_ms@fpga --dataset ImageNet16-120 --json

        nasbench-suite cost nats_topology 0 --model help/nats_topology:latency_ms_gold_6226

        nasbench-suite cost nats_topology 0 1462 --operators mybox.h5
    """
    genes = np.stack([get_space(space).parse(text) for text in architectures])
    models = _opened(space, model, operators, dataset)
    found: dict[str, Any] = {name: one.predict(genes) for name, one in models.items()}
    short = {name: below_resolution(one.quantity, found[name]) for name, one in models.items()}
    texts = get_space(space).format(genes)
    if as_json:
        rows = [
            {
                "architecture": text,
                **{name: _or_null(values[row]) for name, values in found.items()},
                "below_resolution": any(bool(flags[row]) for flags in short.values()),
            }
            for row, text in enumerate(texts)
        ]
        print_json(rows)
        return
    headings = ["architecture", *(f"{name} ({one.unit})" for name, one in models.items())]
    cells = [
        [text, *(_shown(values[row], short[name][row]) for name, values in found.items())]
        for row, text in enumerate(texts)
    ]
    print_table(headings, cells)
    if any(flags.any() for flags in short.values()):
        note(
            f"{_MARK} below {LEAST_LATENCY_MS} ms: a network that the compiler left out, since nothing leads "
            "from its input to its output; do not rank by it."
        )


def _opened(space: str, names: list[str], files: list[Path], dataset: str) -> dict[str, CostModel]:
    """Return the models by what their columns are called."""
    models = {name: open_costs(name, space, dataset) for name in names}
    for file in files:
        summed = read_operator_latencies(file, space)
        if summed.name in models:
            raise NasbenchSuiteError(
                f"two of these costs are called {summed.name}; ask for {file} in a command of its own."
            )
        models[summed.name] = summed
    if not models:
        raise NasbenchSuiteError("say which costs: --model QUANTITY@DEVICE, or --operators FILE.")
    return models


def _or_null(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _shown(value: float, short: bool) -> str:
    return "not measured" if np.isnan(value) else f"{value:.6g}{_MARK if short else ''}"
