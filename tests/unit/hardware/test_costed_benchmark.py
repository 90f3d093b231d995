"""Costs beside a table: what a device takes as a metric, in objectives, constraints, rewards and records."""

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, load_benchmark, search
from nasbench_suite.clock import Budget
from nasbench_suite.hardware.costed_benchmark import CostedBenchmark, with_costs
from nasbench_suite.jobs import Search
from nasbench_suite.tabular.catalogue import import_tables

LATENCY = "latency_ms@raspi4"


@pytest.fixture
def devices(shared_data, tmp_path, monkeypatch):
    """HW-NAS-Bench's measurements of the cells that `made_up` has made-up accuracies of."""
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))
    import_tables("hw-nas-bench", sorted((shared_data / "hw_nas_bench").glob("*cifar10.csv.gz")))
    return load_benchmark("hw_nas_bench/cifar10")


def test_a_benchmark_that_knows_everything_stays_as_it_is(cora):
    assert with_costs(cora, ["params_millions", "latency_seconds"]) is cora


def test_what_a_model_takes_in_memory_is_four_bytes_a_weight(cora):
    costed = with_costs(cora, ["model_bytes"])
    genes = cora.table.genes[:50]
    found = costed.query(genes, info=["model_bytes", "params_millions"]).info
    assert found["model_bytes"] == pytest.approx(4e6 * found["params_millions"])
    assert costed.metrics["model_bytes"].direction == "min"
    assert costed.metrics["model_bytes"].unit == "B"


def test_costs_are_those_of_the_device_table(devices, made_up):
    costed = with_costs(made_up, [LATENCY])
    genes = made_up.table.genes[::37]
    found = costed.query(genes, repeat=1, info=[LATENCY, "params_millions"])
    alone = made_up.query(genes, repeat=1, info=["params_millions"])
    column = devices.query(genes, info=["raspi4_latency_ms"]).info["raspi4_latency_ms"]
    assert found.info[LATENCY] == pytest.approx(column)
    assert found.info["params_millions"] == pytest.approx(alone.info["params_millions"])
    assert np.array_equal(found.valid, alone.valid)
    assert np.array_equal(found.seconds, alone.seconds)
    assert np.array_equal(costed.identity(genes), made_up.identity(genes))
    assert np.array_equal(costed.reveal(genes).test, made_up.reveal(genes).test)
    assert costed.sources() == {LATENCY: devices.table.sha256}


def test_a_cost_may_be_priced_bounded_and_optimised(devices, made_up):
    asked = {"evaluations": 60, "runs": 4, "seed": 1}
    latency = devices.query(made_up.table.genes, info=["raspi4_latency_ms"]).info["raspi4_latency_ms"]
    bound = float(np.quantile(latency, 0.2))
    priced = search("genetic", made_up, reward=f"valid - 0.1 * {LATENCY}", **asked)
    plain = search("genetic", made_up, **asked)
    bounded = search("genetic", made_up, constraints=[f"{LATENCY} <= {bound}"], **asked)
    both = search("nsga2", made_up, objectives=["valid", LATENCY], **asked)

    def of(runs):
        return latency[made_up.rows(runs.genes[:, -20:].reshape(-1, 6))]

    assert of(priced).mean() < 0.7 * of(plain).mean()
    assert np.median(of(bounded)) <= bound < np.median(of(plain))
    assert of(both).min() < 0.1 * of(plain).mean()
    assert both.request["costs"] == {LATENCY: devices.table.sha256}
    assert both.request["objectives"] == ["valid", f"min {LATENCY}"]
    rows = made_up.rows(bounded.genes.reshape(-1, 6))
    assert bounded.feasible.ravel().tolist() == (latency[rows] <= bound).tolist()
    assert "costs" not in plain.request


def test_costs_that_nobody_knows_are_refused(devices, made_up, cora):
    for name, says in [
        ("latency_ms@raspi5", "did you mean latency_ms@raspi4"),
        ("latency_seconds@raspi4", "is in ms"),
        ("params_million", "did you mean params_millions"),
        ("hw_nas_bench/cifar10:nothing", "nothing"),
    ]:
        with pytest.raises(NasbenchSuiteError, match=says):
            with_costs(made_up, [name])
    with pytest.raises(NasbenchSuiteError, match="is of space nats_topology, and graph/cora of graph"):
        with_costs(cora, ["hw_nas_bench/cifar10:raspi4_latency_ms"])


def test_a_constraint_beyond_the_device_names_what_it_can(devices, made_up):
    asked = Search("genetic", made_up, Budget(10), constraints=[f"{LATENCY} <= 1e-9 ms"])
    with pytest.raises(NasbenchSuiteError, match="smallest value there is"):
        asked.check()
    with pytest.raises(NasbenchSuiteError, match="is in s, but"):
        Search("genetic", made_up, Budget(10), constraints=[f"{LATENCY} <= 5 s"]).check()
    assert isinstance(asked.load(), CostedBenchmark)
