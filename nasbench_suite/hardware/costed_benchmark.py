"""A benchmark beside which cost models stand: what a device takes is then a metric like any other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Benchmark, Evaluations, Metric, Repeat, TestMetrics
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.hardware.catalogue import known_costs, open_costs
from nasbench_suite.hardware.cost_model import CostModel, Costs
from nasbench_suite.hardware.counted_costs import COUNTS, CountedCosts
from nasbench_suite.spaces import Genes

_WEIGHT_BYTES = 4


class ModelBytes(CostModel):
    """What the weights of a table's networks take in memory, four bytes each.

    Parameters
    ----------
    benchmark
        One with a metric `params_millions`.
    """

    quantity = "model_bytes"
    origin = "four bytes for each of the table's parameters"

    def __init__(self, benchmark: Benchmark):
        self.space = benchmark.space
        self._benchmark = benchmark

    def predict(self, genes: Genes) -> Costs:
        """Return bytes; see `CostModel.predict`."""
        millions = self._benchmark.query(genes, info=["params_millions"]).info["params_millions"]
        return 1e6 * _WEIGHT_BYTES * millions


class CostedBenchmark:
    """Answers as the benchmark does, and what its architectures cost by the models.

    Parameters
    ----------
    benchmark
        What is asked for everything else.
    models
        Cost models by the name of the metric that they become; see `with_costs`.
    """

    def __init__(self, benchmark: Benchmark, models: Mapping[str, CostModel]):
        self.benchmark, self.models = benchmark, dict(models)
        self.id, self.space = benchmark.id, benchmark.space
        self.fidelities, self.repeats = benchmark.fidelities, benchmark.repeats
        added = {name: _metric(name, model) for name, model in models.items()}
        self.metrics: Mapping[str, Metric] = {**benchmark.metrics, **added}

    def __repr__(self) -> str:
        return f"<CostedBenchmark {self.id} with {', '.join(self.models)}>"

    @property
    def trains(self) -> bool:
        """Whether a query trains networks."""
        return bool(getattr(self.benchmark, "trains", False))

    def query(
        self,
        genes: Genes,
        *,
        epochs: int | None = None,
        repeat: Repeat = "mean",
        info: Sequence[str] = (),
    ) -> Evaluations:
        """Return what the benchmark does, and costs among `info`; see `Benchmark.query`."""
        own = [name for name in info if name not in self.models]
        found = self.benchmark.query(genes, epochs=epochs, repeat=repeat, info=own)
        costs = {name: self.models[name].predict(genes) for name in info if name in self.models}
        return replace(found, info={**found.info, **costs})

    def identity(self, genes: Genes) -> NDArray[np.int64]:
        """Return what the benchmark does."""
        return self.benchmark.identity(genes)

    def reveal(self, genes: Genes) -> TestMetrics:
        """Return what the benchmark does; for leaderboards only."""
        return self.benchmark.reveal(genes)

    def sources(self) -> dict[str, str]:
        """Return what costs come of, by name: the SHA-256 of a table, or the model in words."""
        return {name: getattr(model, "sha256", "") or model.origin for name, model in self.models.items()}


def _metric(name: str, model: CostModel) -> Metric:
    return Metric(name, model.unit, model.direction, "info", f"{model.name}, {model.origin}", "once")


def with_costs(benchmark: Benchmark, names: Sequence[str]) -> Benchmark:
    """Return a benchmark that knows all the metrics: itself, or with cost models beside it.

    Parameters
    ----------
    benchmark
        The benchmark.
    names
        Metrics that are asked for: its own, `QUANTITY@DEVICE`, `TASK:METRIC`, or `params_millions`,
        `flops_millions` and `model_bytes`, which are counted where it does not have them.

    Raises
    ------
    UnknownNameError
        When neither the benchmark nor a cost table of its space knows one; lists the nearest names.
    NasbenchSuiteError
        When a cost table is not here or of another space, or networks cannot be counted.
    """
    missing = [name for name in dict.fromkeys(names) if name not in benchmark.metrics]
    if not missing:
        return benchmark
    return CostedBenchmark(benchmark, {name: cost_of(benchmark, name) for name in missing})


def cost_of(benchmark: Benchmark, name: str) -> CostModel:
    """Return the model of a cost that a benchmark does not have itself; see `with_costs`."""
    dataset = benchmark.id.rpartition("/")[2].partition("@")[0].removesuffix("-valid")
    if name == ModelBytes.quantity and "params_millions" in benchmark.metrics:
        return ModelBytes(benchmark)
    if name in COUNTS:
        return CountedCosts.of_dataset(benchmark.space.name, name, dataset)
    if "@" not in name and ":" not in name:
        visible = [metric.name for metric in benchmark.metrics.values() if metric.role != "test"]
        costs = [cost.name for cost in known_costs(benchmark.space.name)]
        raise UnknownNameError(f"metric of {benchmark.id} called", name, ["valid", *visible, *costs, *COUNTS])
    model = open_costs(name, "" if ":" in name else benchmark.space.name, dataset)
    if model.space is not benchmark.space:
        raise NasbenchSuiteError(
            f"{name} is of space {model.space.name}, and {benchmark.id} of {benchmark.space.name}; name a "
            "cost of that space."
        )
    return model
