"""Predictors taught by what some strategies visited and judged by what another did.

Siems et al.: "NAS-Bench-301" (arXiv 2008.09777), section 4.2 (leave one optimizer out): a surrogate must
predict in regions that no strategy has shown it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nasbench_suite.jobs import search
from nasbench_suite.spaces import Genes
from nasbench_suite.surrogates.regressor import FitError
from nasbench_suite.surrogates.scores import Scores, scores
from nasbench_suite.surrogates.study import Entrant
from nasbench_suite.tabular.benchmark import TabularBenchmark

_FEWEST = 10


@dataclass(frozen=True)
class LeftOut:
    """What came of leaving one strategy out.

    Attributes
    ----------
    strategy
        Whose architectures judged.
    taught, judged
        How many architectures taught, and judged: none of them is among those that taught.
    scores
        By entrant.
    """

    strategy: str
    taught: int
    judged: int
    scores: Mapping[str, Scores]


def visited(
    benchmark: TabularBenchmark, strategies: Sequence[str], evaluations: int, runs: int, seed: int
) -> dict[str, Genes]:
    """Return the distinct architectures that every strategy visits, canonical, `[n, n_genes]` by name."""
    found = {}
    for name in strategies:
        played = search(name, benchmark, evaluations=evaluations, runs=runs, seed=seed)
        genes = benchmark.space.canonical(played.genes.reshape(-1, benchmark.space.n_genes))
        found[name] = np.unique(genes, axis=0)
    return found


def leave_one_out(
    benchmark: TabularBenchmark,
    entrants: Sequence[Entrant],
    strategies: Sequence[str],
    *,
    evaluations: int = 300,
    runs: int = 5,
    seed: int = 0,
) -> list[LeftOut]:
    """Teach every entrant by all strategies but one, and judge it by that one; each strategy in turn.

    Raises
    ------
    FitError
        When too few architectures are left to teach or to judge.
    """
    seen = visited(benchmark, strategies, evaluations, runs, seed)
    results = []
    for name in strategies:
        taught = np.unique(np.concatenate([rows for other, rows in seen.items() if other != name]), axis=0)
        judged = seen[name][~np.isin(benchmark.space.key(seen[name]), benchmark.space.key(taught))]
        if min(len(taught), len(judged)) < _FEWEST:
            raise FitError(
                f"leaving {name} out leaves {len(taught)} architectures to teach and {len(judged)} to judge; "
                "give more evaluations or runs."
            )
        found = {}
        for entrant in entrants:
            predictor = entrant.make(benchmark.space.name)
            predictor.fit(taught, benchmark.query(taught).valid)
            mean, deviation = predictor.predict(judged, return_std=True)
            found[entrant.title] = scores(benchmark.query(judged).valid, mean, deviation)
        results.append(LeftOut(name, len(taught), len(judged), found))
    return results
