"""DARTS cells as NAS-Bench-301's models see them: the vector of its ConfigSpace.

Siems et al.: "NAS-Bench-301" (arXiv 2008.09777), `configspace.json` and `fixed_hyperparameters` of its code,
with ConfigSpace 0.4. The vector has a place for every hyperparameter, those without a condition first, each
group by name. A categorical one stands there as the number of its choice, an integer or float within its
limits as a number from 0 to 1, a normally distributed one as its logarithm. Edges that a cell has not are
-1. All but the cell is fixed: the settings that the official code queries with.
"""

from functools import cache
from math import log

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.darts_numbering import PREDECESSORS

SPACE = "darts_cell"
_DARTS = "NetworkSelectorDatasetInfo:darts:"
_CELLS = ("normal", "reduce")
_FIRST_EDGE = {2: 0, 3: 2, 4: 5, 5: 9}
"""The number of each node's edge from node 0."""
_OPERATION_GENE, _PAIR_GENE = {2: 0, 3: 3, 4: 6, 5: 9}, {3: 2, 4: 5, 5: 8}
"""Where among the eleven genes of a cell each node's first operation and pair of predecessors stand."""
_ROUNDING = 0.49999
"""By so much ConfigSpace widens the limits of an integer, on both sides."""


def _integer(value: int, lower: int, upper: int) -> float:
    low, high = lower - _ROUNDING, upper + _ROUNDING
    return (value - low) / (high - low)


def _logarithmic(value: float, lower: float, upper: float) -> float:
    return (log(value) - log(lower)) / (log(upper) - log(lower))


_FIXED = {
    "CreateImageDataLoader:batch_size": _logarithmic(96, 64 - _ROUNDING, 128 + _ROUNDING),
    "ImageAugmentation:augment": 0.0,
    "ImageAugmentation:autoaugment": 0.0,
    "ImageAugmentation:cutout": 0.0,
    "ImageAugmentation:cutout_holes": _integer(1, 1, 3),
    "ImageAugmentation:cutout_length": _integer(16, 1, 50),
    "ImageAugmentation:fastautoaugment": 0.0,
    "LossModuleSelectorIndices:loss_module": 0.0,
    _DARTS + "auxiliary": 0.0,
    _DARTS + "drop_path_prob": 0.0,
    _DARTS + "init_channels": _integer(32, 1, 10000),
    _DARTS + "layers": _integer(8, 1, 10000),
    "NetworkSelectorDatasetInfo:network": 0.0,
    "OptimizerSelector:optimizer": 0.0,
    "OptimizerSelector:sgd:learning_rate": log(0.025),
    "OptimizerSelector:sgd:momentum": (0.9 - 0.1) / (0.99 - 0.1),
    "OptimizerSelector:sgd:weight_decay": log(0.0003),
    "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max": _integer(100, 1, 10000),
    "SimpleLearningrateSchedulerSelector:cosine_annealing:eta_min": 1e-8 / 10000,
    "SimpleLearningrateSchedulerSelector:lr_scheduler": 0.0,
    "SimpleTrainNode:batch_loss_computation_technique": 0.0,
    "SimpleTrainNode:mixup:alpha": _logarithmic(0.2, 0.01, 0.7),
}
"""What is fixed, as it stands in the vector."""


@cache
def hyperparameters() -> tuple[str, ...]:
    """Return the names of the columns."""
    pairs = [f"{_DARTS}inputs_node_{cell}_{node}" for cell in _CELLS for node in (3, 4, 5)]
    edges = {edge: [f"{_DARTS}edge_{cell}_{edge}" for cell in _CELLS] for edge in range(14)}
    always = [*_FIXED, *pairs, *edges[0], *edges[1]]
    conditional = [name for edge in range(2, 14) for name in edges[edge]]
    return (*sorted(always), *sorted(conditional))


def configspace_columns(genes: Genes) -> NDArray[np.float32]:
    """Return the vectors, float32 `[n, 56]`.

    Parameters
    ----------
    genes
        uint8 `[n, 22]` of space `darts_cell`.
    """
    place = {name: column for column, name in enumerate(hyperparameters())}
    columns = np.full((len(genes), len(place)), -1.0, dtype=np.float32)
    for name, value in _FIXED.items():
        columns[:, place[name]] = value
    rows = np.arange(len(genes))
    for cell, of_cell in zip(_CELLS, np.split(genes, 2, axis=1), strict=True):
        for node, gene in _OPERATION_GENE.items():
            pair = np.zeros(len(genes), dtype=np.uint8)  # node 2 has but one
            if node in _PAIR_GENE:
                pair = of_cell[:, _PAIR_GENE[node]]
                columns[:, place[f"{_DARTS}inputs_node_{cell}_{node}"]] = pair
            edges = [place[f"{_DARTS}edge_{cell}_{_FIRST_EDGE[node] + source}"] for source in range(node)]
            for side, sources in enumerate(np.array(PREDECESSORS[node])[pair].T):
                columns[rows, np.array(edges)[sources]] = of_cell[:, gene + side]
    return columns
