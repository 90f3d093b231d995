"""Cost models: what they look up, sum up, learn and count, and what they refuse."""

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space, load_benchmark
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.hardware import known_costs, open_costs
from nasbench_suite.hardware.cost_model import unit_of
from nasbench_suite.hardware.counted_costs import CountedCosts
from nasbench_suite.hardware.learned_costs import LearnedCosts
from nasbench_suite.hardware.operation_sums import OperationSums
from nasbench_suite.tabular.catalogue import import_tables

SPACE = get_space("nats_topology")
GENES = SPACE.decode(np.arange(SPACE.n_codes))


@pytest.fixture
def published(shared_data, tmp_path, monkeypatch):
    """HW-NAS-Bench's cells and HELP's latencies, imported."""
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))
    import_tables("hw-nas-bench", sorted((shared_data / "hw_nas_bench").glob("*.csv.gz")))
    import_tables("help", sorted((shared_data / "help").glob("*.npz")))


def test_sums_find_what_operations_cost():
    rng = np.random.default_rng(0)
    entries = rng.uniform(0, 3, (6, 5))
    costs = 4 + entries[np.arange(6), GENES].sum(1)
    rows = rng.choice(len(GENES), 60, replace=False)
    model = OperationSums(SPACE, GENES[rows], costs[rows], "latency_ms", "mine")
    assert model.predict(GENES) == pytest.approx(costs, rel=1e-3)
    gaps = model.entries - model.entries[:, :1]
    assert gaps == pytest.approx(entries - entries[:, :1], abs=0.01)


def test_a_process_learns_what_is_no_sum():
    rng = np.random.default_rng(0)
    costs = 1.5 + (GENES == 3).sum(1) * (1 + (GENES[:, 0] == 2)) + 0.2 * (GENES == 1).sum(1)
    rows = rng.choice(len(GENES), 300, replace=False)
    rest = np.setdiff1d(np.arange(len(GENES)), rows)[::20]
    learnt = LearnedCosts(SPACE, GENES[rows], costs[rows], "latency_ms").predict(GENES[rest])
    summed = OperationSums(SPACE, GENES[rows], costs[rows], "latency_ms").predict(GENES[rest])
    assert (np.abs(learnt / costs[rest] - 1) < 0.1).mean() > 0.95
    assert np.abs(learnt - costs[rest]).mean() < 0.5 * np.abs(summed - costs[rest]).mean()


def test_counts_are_the_published_ones():
    """Cell 0 of NAS-Bench-201: 0.129306 M parameters, 15.64737 M of which are multiply-adds."""
    cell = SPACE.parse("0")[None]
    assert CountedCosts("nats_topology", "params_millions").predict(cell) == pytest.approx([0.129306])
    assert CountedCosts("nats_topology", "flops_millions").predict(cell) == pytest.approx([15.64736])
    assert CountedCosts("nats_topology", "model_bytes").predict(cell) == pytest.approx([4 * 129306])


def test_costs_without_a_meaning_are_refused():
    with pytest.raises(NasbenchSuiteError, match="model_bytes"):
        CountedCosts("nats_topology", "model_megabytes")
    with pytest.raises(NasbenchSuiteError, match="does not say its unit"):
        unit_of("latency")
    with pytest.raises(NasbenchSuiteError, match="at least one"):
        OperationSums(SPACE, GENES[:0], np.empty(0), "latency_ms")
    with pytest.raises(NasbenchSuiteError, match="not above 0"):
        LearnedCosts(SPACE, GENES[:3], np.array([1.0, -1.0, 2.0]), "latency_ms")
    with pytest.raises(ArchitectureError):
        OperationSums(SPACE, GENES[:3], np.ones(3), "latency_ms").predict(GENES[:2] + 9)
    with pytest.raises(NasbenchSuiteError, match=r"did you mean latency_ms@raspi4"):
        open_costs("latency_ms@raspi5", "nats_topology")


def test_a_device_whose_table_is_not_here_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))
    with pytest.raises(NasbenchSuiteError, match="nasbench-suite show hw_nas_bench"):
        open_costs("energy_mj@edgegpu", "nats_topology")


def test_published_costs_of_cell_0(published):
    """HW-NAS-Bench's README, record 0 of CIFAR-10; and a column of HELP's by its task."""
    cell = SPACE.parse("0")[None]
    expected = {
        "latency_ms@edgegpu": 5.8074,
        "energy_mj@edgegpu": 24.2266,
        "latency_ms@raspi4": 10.4820,
        "latency_ms@edgetpu": 0.9572,
        "latency_ms@pixel3": 3.60585,
        "latency_ms@eyeriss": 3.64562,
        "energy_mj@eyeriss": 0.68728,
        "latency_ms@fpga": 2.57296,
        "energy_mj@fpga": 18.01072,
    }
    found = {name: open_costs(name, "nats_topology", "cifar10").predict(cell)[0] for name in expected}
    assert found == pytest.approx(expected, rel=1e-4)
    with pytest.warns(MissingResultWarning):
        whole = open_costs("latency_ms@edgetpu", "nats_topology").predict(GENES)
    assert np.isnan(whole).sum() == 4699
    by_task = open_costs("help/nats_topology:latency_ms_raspi4")
    assert by_task.name == "latency_ms@raspi4"
    assert by_task.predict(cell) == pytest.approx([10.4820], rel=1e-4)
    with pytest.raises(NasbenchSuiteError, match="say which"):
        open_costs("latency_ms@1080ti_1")


def test_costs_are_those_of_the_tables_that_are_here(published):
    of_fbnet = {cost.name for cost in known_costs("fbnet") if cost.task == "help/fbnet"}
    of_cells = {cost.name for cost in known_costs("nats_topology") if cost.task == "help/nats_topology"}
    assert len(of_fbnet) == len(of_cells) == 27
    assert "latency_ms@1080ti_64" in of_fbnet - of_cells


def test_counted_networks_are_those_of_the_spaces_authors(shared_data, tmp_path, monkeypatch):
    """NAS-Bench-Macro's file says what its networks have; they are twice as wide as a cell's first stage."""
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))
    import_tables("nasbench-macro", sorted((shared_data / "nas_bench_macro").glob("*.json")))
    table = load_benchmark("macro/cifar10")
    genes = table.table.genes[::400]
    for quantity in ("params_millions", "flops_millions"):
        stated = table.query(genes, info=[quantity]).info[quantity]
        assert CountedCosts("macro", quantity).predict(genes) == pytest.approx(stated, rel=2e-3)
    assert "3 x 16 x 16 and 120 classes" in (
        CountedCosts.of_dataset("nats_topology", "model_bytes", "ImageNet16-120").origin
    )
    with pytest.raises(NasbenchSuiteError, match="networks of space graph are not known"):
        CountedCosts.of_dataset("graph", "params_millions", "cifar10")
