"""Small operator tables of random numbers, and their sums as a plain loop finds them."""

import numpy as np

from nasbench_suite import get_space
from nasbench_suite.benchmark import Metric
from nasbench_suite.tabular import TableDescription
from nasbench_suite.tabular.operator_table import OperatorCosts, OperatorTable

SPACE = get_space("fbnet")
NAMES = ("latency_ms", "energy_mj")
DESCRIPTION = TableDescription(
    task="made/up",
    space="fbnet",
    valid="",
    test="",
    rows="string",
    repeats=["one"],
    licence="none",
    source="random numbers",
    source_version="1",
    source_sha256="0" * 64,
    created_with="the test suite",
)
METRICS = {name: Metric(name, name[-2:], "min", "info", "made up", recorded="once") for name in NAMES}


def drawn(seed):
    rng = np.random.default_rng(seed)
    return OperatorCosts(rng.random(2), rng.random((22, 9)), rng.random(3))


def made(**changes):
    arguments = {
        "description": DESCRIPTION,
        "metrics": METRICS,
        "before": ["a", "b"],
        "after": ["c", "d", "e"],
        "costs": {name: drawn(seed) for seed, name in enumerate(NAMES)},
        **changes,
    }
    return OperatorTable(**arguments)


def plain_sum(costs, network):
    """One number after the other, as Python adds them."""
    total = 0.0
    for part in costs.before.tolist():
        total += part
    rows = costs.operators.tolist()
    for layer in range(22):
        total += rows[layer][network[layer]]
    for part in costs.after.tolist():
        total += part
    return total
