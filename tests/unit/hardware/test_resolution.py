"""Which latencies are too short to rank by, and that the published ones are of cells that lead nowhere."""

import numpy as np
import pytest

from nasbench_suite import get_space
from nasbench_suite.hardware.resolution import LEAST_LATENCY_MS, below_resolution
from nasbench_suite.spaces.nats_topology import EDGES, OPERATIONS
from nasbench_suite.tabular.catalogue import import_tables
from nasbench_suite.tasks import load_benchmark

SPACE = get_space("nats_topology")
GENES = SPACE.decode(np.arange(SPACE.n_codes))


def leads_through(genes):
    """Tell for every cell whether a path leads from its first node to its last."""
    reached = np.zeros((len(genes), 4), dtype=bool)
    reached[:, 0] = True
    for (source, target), chosen in zip(EDGES, genes.T, strict=True):
        reached[:, target] |= reached[:, source] & (chosen != OPERATIONS.index("none"))
    return reached[:, 3]


def test_only_latencies_have_a_least():
    values = np.array([0.0, 0.0099, 0.01, 5.0, np.nan])
    assert below_resolution("latency_ms", values).tolist() == [True, True, False, False, False]
    assert not below_resolution("energy_mj", values).any()


@pytest.mark.parametrize(("dataset", "count"), [("cifar10", 128), ("cifar100", 67), ("ImageNet16-120", 128)])
def test_published_latencies_below_it_are_of_cells_that_lead_nowhere(
    dataset, count, shared_data, tmp_path, monkeypatch
):
    """What the datasheet says of the Pixel 3, and of the FPGA: 7 W for every cell."""
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))
    import_tables("hw-nas-bench", sorted((shared_data / "hw_nas_bench").glob("*.csv.gz")))
    names = [
        "pixel3_latency_ms",
        "raspi4_latency_ms",
        "edgegpu_latency_ms",
        "fpga_latency_ms",
        "fpga_energy_mj",
    ]
    found = load_benchmark(f"hw_nas_bench/{dataset}").query(GENES, info=names).info
    short = below_resolution("latency_ms", found["pixel3_latency_ms"])
    assert short.sum() == count
    assert not leads_through(GENES)[short].any()
    assert found["pixel3_latency_ms"][leads_through(GENES)].min() > 40 * LEAST_LATENCY_MS
    assert not any(below_resolution("latency_ms", found[name]).any() for name in names[1:4])
    assert found["fpga_energy_mj"] == pytest.approx(7 * found["fpga_latency_ms"], rel=1e-12)
