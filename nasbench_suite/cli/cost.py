"""`nasbench-suite cost`: what architectures cost on devices."""

from typing import Any

import numpy as np
import typer

from nasbench_suite.cli.output import Json, print_json, print_table
from nasbench_suite.hardware import open_costs
from nasbench_suite.spaces import get_space


def cost(
    space: str = typer.Argument(help="The space of the architectures."),
    architectures: list[str] = typer.Argument(metavar="ARCH...", help="In the published string form."),
    model: list[str] = typer.Option(
        ..., metavar="COST", help="`QUANTITY@DEVICE`, or `TASK:METRIC`; several may be given."
    ),
    dataset: str = typer.Option("", help="Whose input size is meant, where several tables know the device."),
    as_json: bool = Json,
) -> None:
    """Print what architectures cost on devices; `nasbench-suite list devices` lists the costs by name.

    Examples
    --------
        nasbench-suite cost nats_topology 0 1462 --model latency_ms@raspi4 --model energy_mj@edgegpu

        nasbench-suite cost nats_topology 0 --model latency_ms@fpga --dataset ImageNet16-120 --json

        nasbench-suite cost nats_topology 0 --model help/nats_topology:latency_ms_gold_6226
    """
    genes = np.stack([get_space(space).parse(text) for text in architectures])
    models = [open_costs(name, space, dataset) for name in model]
    found: dict[str, Any] = {name: one.predict(genes) for name, one in zip(model, models, strict=True)}
    texts = get_space(space).format(genes)
    if as_json:
        rows = [
            {"architecture": text, **{name: _or_null(values[row]) for name, values in found.items()}}
            for row, text in enumerate(texts)
        ]
        print_json(rows)
        return
    headings = ["architecture", *(f"{name} ({one.unit})" for name, one in zip(model, models, strict=True))]
    cells = [[text, *(_shown(values[row]) for values in found.values())] for row, text in enumerate(texts)]
    print_table(headings, cells)


def _or_null(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _shown(value: float) -> str:
    return "not measured" if np.isnan(value) else f"{value:.6g}"
