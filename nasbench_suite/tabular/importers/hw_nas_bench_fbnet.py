"""The FBNet half of HW-NAS-Bench: measured operators, of which the official API adds up networks.

Under `fbnet` the official pickle has a dictionary per measurement, from the name of an operator to a number;
names carry all shapes, so that both data sets share one dictionary. A network is a stem, 22 layers in seven
stages, and a head; the official `fbnet_get_metrics` (`hw_nas_bench_api.py`, version 1.0) starts from zero and
adds these in the order of the network. All shapes here are that function's.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces.fbnet import OPERATIONS
from nasbench_suite.tabular.importers.assembly import Source, describe
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.measurement import as_number
from nasbench_suite.tabular.operator_table import OperatorCosts, OperatorTable, save_operator_table

SPACE = "fbnet"
BEFORE = ["stem"]
AFTER = ["convolution of the head", "average pooling", "classifier"]
_STEM_CHANNELS = 16
_STAGES = ((1, 16), (4, 24), (4, 32), (4, 64), (4, 112), (4, 184), (1, 352))
"""Layers and channels of each stage."""
_TOO_LARGE = 1e15
"""Milliseconds or millijoules beyond belief; sums of smaller figures stay finite."""
_BLOCK = re.compile(r"k(\d)_e(\d)(?:_g(\d))?")


@dataclass(frozen=True)
class _Shapes:
    """What the networks of a data set differ in: images of `side` x `side` pixels, strides, the head."""

    side: int
    stem_stride: int
    strides: tuple[int, ...]
    head_channels: int
    classes: int


DATASETS = {
    "fbnet-cifar100": _Shapes(32, 1, (1, 1, 2, 2, 1, 2, 1), 1504, 100),
    "fbnet-ImageNet": _Shapes(224, 2, (1, 2, 2, 2, 1, 2, 1), 1984, 1000),
}


@dataclass(frozen=True)
class OperatorNames:
    """The official names of a network's operators; `layers` has one list of operations for each layer."""

    before: list[str]
    layers: list[list[str]]
    after: list[str]


def operator_names(dataset: str) -> OperatorNames:
    """Return the names of all operators that networks of a data set may have, in the order of addition."""
    shapes = DATASETS[dataset]
    side, channels = shapes.side, _STEM_CHANNELS
    before = [_convolution(side, 3, channels, 3, shapes.stem_stride)]
    side //= shapes.stem_stride
    layers = []
    for (n_layers, width), first_stride in zip(_STAGES, shapes.strides, strict=True):
        for layer in range(n_layers):
            stride = first_stride if layer == 0 else 1
            layers.append([_operation(name, side, channels, width, stride) for name in OPERATIONS])
            side, channels = side // stride, width
    head = shapes.head_channels
    after = [
        _convolution(side, channels, head, 1, 1),
        f"AvgP_H{side}_W{side}_Cin{head}_Cout{head}_kernel{side}_stride1",
        f"FC_Cin{head}_Cout{shapes.classes}",
    ]
    return OperatorNames(before, layers, after)


def _convolution(side: int, channels: int, width: int, kernel: int, stride: int) -> str:
    return f"ConvNorm_H{side}_W{side}_Cin{channels}_Cout{width}_kernel{kernel}_stride{stride}_group1"


def _operation(operation: str, side: int, channels: int, width: int, stride: int) -> str:
    shape = f"H{side}_W{side}_Cin{channels}_Cout{width}"
    block = _BLOCK.fullmatch(operation)
    if block is None:  # the one operation that is no block: skip
        return f"Skip_{shape}_stride{stride}"
    kernel, expansion, groups = block.groups(default="1")
    return f"ConvBlock_{shape}_exp{expansion}_kernel{kernel}_stride{stride}_group{groups}"


def convert_fbnet(
    job: ImportJob, source: Source, content: Any, where: str, measurements: Mapping[str, str]
) -> None:
    """Make an operator table per data set of what a pickle has under `fbnet`.

    Parameters
    ----------
    content
        Dictionaries by the official name of the measurement; operators and measurements that no network of
        ours needs are left.
    where
        What errors call it.
    measurements
        What a table calls each of the official measurements.

    Raises
    ------
    DamagedFileError
        When it has another structure, a figure is no measurement, or an operator is missing; with `--partial`
        a data set that lacks one is left out instead.
    """
    lacking = [name for name in measurements if not isinstance(content, dict) or name not in content]
    if lacking:
        raise DamagedFileError(f"{where}: there is no {', '.join(lacking)}; use the official file.")
    for dataset in DATASETS:
        names = operator_names(dataset)
        if any(_lacks(job, content[name], names, f"{where}, {name}", dataset) for name in measurements):
            continue
        costs = {
            ours: _costs(content[name], names, f"{where}, {name}") for name, ours in measurements.items()
        }
        description = describe(
            job.sheet, job.task(dataset), source, rows="string", repeats=["one measurement"]
        )
        metrics = {name: job.sheet.metrics[name].metric(name, "once") for name in costs}
        table = OperatorTable(description, metrics, list(BEFORE), list(AFTER), costs)
        save_operator_table(table, job.path(dataset))


def _all_names(names: OperatorNames) -> Iterator[str]:
    yield from names.before
    for layer in names.layers:
        yield from layer
    yield from names.after


def _lacks(job: ImportJob, figures: Any, names: OperatorNames, where: str, dataset: str) -> bool:
    """Tell whether a dictionary lacks operators; refuse it then unless `--partial` was given."""
    if not isinstance(figures, dict):
        raise DamagedFileError(f"{where}: there is no dictionary of operators; use the official file.")
    needed = list(dict.fromkeys(_all_names(names)))
    lacking = [name for name in needed if name not in figures]
    if lacking and "partial" not in job.options:
        raise DamagedFileError(
            f"{where} lacks {len(lacking)} of {len(needed)} operators, one of them {lacking[0]}; fetch the "
            f"official file again, or add --partial to leave out {dataset}."
        )
    return bool(lacking)


def _costs(figures: Mapping[str, Any], names: OperatorNames, where: str) -> OperatorCosts:
    def numbers(named: list[str]) -> NDArray[np.float64]:
        return np.array([_number(figures[name], f"{where}, {name}") for name in named])

    layers = np.stack([numbers(layer) for layer in names.layers])
    return OperatorCosts(numbers(names.before), layers, numbers(names.after))


def _number(value: Any, where: str) -> float:
    try:
        number = as_number(value)
    except ValueError as problem:
        raise DamagedFileError(f"{where}: {problem}; use the official file.") from problem
    if not 0 <= number < _TOO_LARGE:  # NaN is neither
        raise DamagedFileError(f"{where} is {number:g}, which is no measurement; use the official file.")
    return number
