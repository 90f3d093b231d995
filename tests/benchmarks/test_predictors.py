"""Speed of predictors. No assertion on time: `make bench` prints the table of the README.

Limits, written down before measuring. A member of the perceptrons that ship has 20,000 multiply-adds for an
architecture (30 or 48 columns, three layers of 64 units), there are five, and one such ensemble for each of 2
or 8 components: 0.2 to 0.8 million, so that a core with 50 billion a second predicts 60,000 to 250,000
architectures a second. Small spaces have 6,466 and 26,206 distinct architectures: a million questions are a
gather of five floats each once these are known. The search for the kernel of a Gaussian process factorises
and inverts 800 x 800 covariances, 0.5 billion multiply-adds a step or 10 ms; scikit-learn writes the
derivative for each of 28 columns, 143 MB a step several times, so some 200 ms.
"""

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from nasbench_suite import get_space, load_benchmark, search
from nasbench_suite.surrogates.catalogue import make_predictor, make_surrogate

MILLION = 1_000_000


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")


def describe(benchmark, what, goal, scale, unit):
    benchmark.extra_info.update(what=what, goal=goal, scale=scale, unit=unit)


@pytest.mark.parametrize("name", ["nats_topology-mnist1d-mlp", "graph-arxiv-mlp"])
def test_million_predictions(benchmark, name):
    task = load_benchmark(f"surrogate:{name}")
    genes = task.space.sample(np.random.default_rng(0), MILLION)

    def forget():
        task._known = None

    describe(
        benchmark, f"a million predictions of `surrogate:{name}`, none known before", "seconds", 1.0, "s"
    )
    benchmark.pedantic(task.query, args=(genes,), setup=forget, rounds=5, warmup_rounds=1)


@pytest.mark.parametrize(
    ("name", "number", "settings"),
    [("mlp", 100_000, {"epochs": 5}), ("xgboost", 100_000, {}), ("random_forest", 100_000, {})],
)
def test_distinct_architectures(benchmark, name, number, settings):
    space = get_space("mnasnet")
    genes = space.sample(np.random.default_rng(0), number)
    predictor = make_predictor(space.name, name, **settings)
    predictor.fit(genes[:1000], genes[:1000].sum(1) + np.random.default_rng(1).normal(size=1000))
    what = f"predictions of distinct architectures of `mnasnet` by `{name}`, {number:,} at once"
    describe(benchmark, what, "none", -number / 1000, "thousand/s")
    benchmark.pedantic(predictor.predict, args=(genes,), rounds=3, warmup_rounds=1)


def samples():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (800, 28)).astype(np.float32)
    y = x @ rng.normal(size=28) + 0.3 * np.sin(3 * x[:, 0] * x[:, 1]) + 0.1 * rng.normal(size=800)
    return x, (y - y.mean()) / y.std()


def test_kernel_of_a_gaussian_process(benchmark):
    x, y = samples()
    describe(benchmark, "fit a Gaussian process with 28 length scales to 800 samples", "none", 1.0, "s")
    benchmark.pedantic(
        lambda: make_surrogate("gaussian_process", lengths="each", restarts=0).fit(x, y), rounds=3
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # a length at its bound
def test_kernel_of_scikit_learns(benchmark):
    x, y = samples()
    kernel = ConstantKernel() * Matern(np.full(28, np.sqrt(28)), (1e-1, 1e3), nu=2.5) + WhiteKernel(1e-2)
    describe(benchmark, "the same by scikit-learn", "the peer", 1.0, "s")
    benchmark.pedantic(
        lambda: GaussianProcessRegressor(kernel, alpha=1e-8).fit(x.astype(np.float64), y), rounds=1
    )


@pytest.mark.parametrize("strategy", ["bananas", "bayesian", "npenas", "tpe"])
def test_search(benchmark, strategy):
    load_benchmark("nats_topology/mnist1d")
    what = f"`{strategy}`, 10 runs × 200 evaluations of `nats_topology/mnist1d`"
    describe(benchmark, what, "none", 1.0, "s")
    benchmark.pedantic(
        lambda: search(strategy, "nats_topology/mnist1d", evaluations=200, runs=10), rounds=2, warmup_rounds=0
    )
