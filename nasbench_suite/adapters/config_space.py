"""A search space as a ConfigSpace, for SMAC and whatever else speaks it: one categorical per gene.

Lindauer et al.: "BOAH: A Tool Suite for Multi-Fidelity Bayesian Optimization & Analysis of Hyperparameters"
(2019), of which ConfigSpace is a part. What is no architecture of the space is forbidden only where the space
says so: ask `space.valid`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nasbench_suite.adapters.needed import needed
from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces import Genes, SearchSpace

if TYPE_CHECKING:  # an optional package
    from ConfigSpace import ConfigurationSpace


def configuration_space(space: SearchSpace, seed: int | None = None) -> "ConfigurationSpace":
    """Return a ConfigSpace with a categorical `gene_N` for every gene.

    Parameters
    ----------
    space
        Of the architectures.
    seed
        Of what the ConfigSpace samples.

    Raises
    ------
    NasbenchSuiteError
        When ConfigSpace is not installed.
    """
    library = needed("ConfigSpace", "ConfigSpace")
    made: ConfigurationSpace = library.ConfigurationSpace(name=space.name, seed=seed)
    made.add(
        [
            library.CategoricalHyperparameter(_name(gene), list(range(limit)))
            for gene, limit in enumerate(space.cardinalities)
        ]
    )
    return made


def genes_of(configuration: Mapping[str, int], space: SearchSpace) -> Genes:
    """Return the genes of a configuration, uint8 `[n_genes]`; they need be no architecture.

    Raises
    ------
    ArchitectureError
        When it is a configuration of another space.
    """
    names = [_name(gene) for gene in range(space.n_genes)]
    values = dict(configuration)
    if sorted(values) != sorted(names):
        raise ArchitectureError(
            f"the configuration has {', '.join(sorted(values)) or 'nothing'}; one of {space.name} has "
            f"gene_0 to gene_{space.n_genes - 1}."
        )
    return np.array([values[name] for name in names], dtype=np.uint8)


def _name(gene: int) -> str:
    return f"gene_{gene}"
