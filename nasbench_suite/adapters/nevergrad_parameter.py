"""A search space as a parametrisation of Nevergrad, and a benchmark as what it minimises.

    optimizer = ng.optimizers.OnePlusOne(parametrization=parametrization(benchmark.space), budget=100)
    optimizer.minimize(Loss(benchmark))

Rapin, Teytaud: "Nevergrad, a gradient-free optimization platform" (2018).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nasbench_suite.adapters.needed import needed
from nasbench_suite.benchmark import Benchmark
from nasbench_suite.spaces import Genes, SearchSpace

if TYPE_CHECKING:  # an optional package
    from nevergrad.parametrization.container import Tuple as NevergradTuple

NO_ARCHITECTURE = 1e6
"""The loss of what is no architecture, or has no result; Nevergrad takes no infinities."""


def parametrization(space: SearchSpace) -> "NevergradTuple":
    """Return a tuple of choices, one per gene.

    Raises
    ------
    NasbenchSuiteError
        When Nevergrad is not installed.
    """
    parameters = needed("nevergrad", "nevergrad").p
    made: NevergradTuple = parameters.Tuple(
        *(parameters.Choice(list(range(limit))) for limit in space.cardinalities)
    )
    made.register_cheap_constraint(IsArchitecture(space))
    return made


@dataclass(frozen=True)
class IsArchitecture:
    """Tells whether a value of the parametrisation is an architecture; a class, so that it can be pickled."""

    space: SearchSpace

    def __call__(self, value: tuple[int, ...]) -> bool:
        """Return whether it is one."""
        return bool(self.space.valid(genes_of(value)[None])[0])


def genes_of(value: tuple[int, ...]) -> Genes:
    """Return a value of the parametrisation as genes, uint8 `[n_genes]`."""
    return np.array(value, dtype=np.uint8)


class Loss:
    """What is to be minimised: the validation result, negative where larger is better.

    Of what is no architecture, or has no result, it is `NO_ARCHITECTURE`.

    Parameters
    ----------
    benchmark
        What scores.
    epochs
        Training epochs; full training if None.
    """

    def __init__(self, benchmark: Benchmark, epochs: int | None = None):
        self.benchmark, self.epochs = benchmark, epochs

    def __call__(self, value: tuple[int, ...]) -> float:
        """Return the loss of one value."""
        genes = genes_of(value)[None]
        if not self.benchmark.space.valid(genes)[0]:
            return NO_ARCHITECTURE
        score = float(self.benchmark.query(genes, epochs=self.epochs).score()[0])
        return -score if np.isfinite(score) else NO_ARCHITECTURE
