"""Random search draws with replacement, uniformly over the valid rows."""

import numpy as np
from scipy import stats

from nasbench_suite import get_space
from nasbench_suite.strategies.random_search import RandomSearch


def test_proposals_are_uniform_and_repeat_themselves():
    space = get_space("graph_proteins")
    strategy = RandomSearch(space, runs=5616 * 20, seed=1)
    codes = space.encode(strategy.ask().genes)
    counts = np.bincount(codes, minlength=space.n_codes)[space.representative_of_code >= 0]
    assert stats.chisquare(counts).pvalue > 1e-3
    assert counts.max() > 20
