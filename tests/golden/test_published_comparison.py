"""The datasheet's claim about NAS-Bench-Graph's own comparison, against the paper's row for random search.

The paper (NeurIPS 2022, Datasets and Benchmarks) gives every method 2 % of the space. Its numbers are what
choosing by test gives, not what choosing by validation gives.
"""

import numpy as np
import pytest

from nasbench_suite import load_benchmark

RANDOM_SEARCH_PERCENT = {
    "cora": 82.09,
    "citeseer": 70.49,
    "pubmed": 77.91,
    "cs": 90.93,
    "physics": 92.35,
    "photo": 92.44,
    "computers": 84.78,
    "arxiv": 72.04,
    "proteins": 78.32,
}
DRAWS = 1000


@pytest.mark.parametrize("dataset", RANDOM_SEARCH_PERCENT)
def test_published_random_search_is_the_best_test_result_among_two_percent(dataset):
    task = load_benchmark(f"graph/{dataset}")
    budget = round(0.02 * len(task.table.genes))
    genes = task.space.sample(np.random.default_rng(0), DRAWS * budget)
    valid = task.query(genes).valid.reshape(DRAWS, budget)
    test = 100 * task.reveal(genes).test.reshape(DRAWS, budget)
    by_test = test.max(axis=1).mean()
    by_valid = test[np.arange(DRAWS), valid.argmax(axis=1)].mean()
    assert by_test == pytest.approx(RANDOM_SEARCH_PERCENT[dataset], abs=0.2)
    assert 0.1 <= by_test - by_valid <= 1.8
