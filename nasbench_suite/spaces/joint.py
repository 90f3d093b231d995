"""Architectures and how they are trained, chosen together.

Zela, Klein, Falkner, Hutter: "Towards Automated Deep Learning: Efficient Joint Neural Architecture and
Hyperparameter Search" (AutoML workshop, ICML 2018) is why: which architecture is best depends on the
hyperparameters.
"""

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.spaces.grid import GridSpace
from nasbench_suite.spaces.subspace import Subspace

_MOST_ROWS = 2**24


class JointSpace(CategoricalSpace):
    """The first genes are a setting, the others an architecture.

    Two rows are isomorphic when their architectures are and their settings are equal.

    Parameters
    ----------
    base
        The space of the architectures, or part of one.
    grid
        The settings.
    name
        What `get_space` answers to; `BASE*GRID` if empty.

    Attributes
    ----------
    architecture_space
        The space of what `architectures` returns: `base`, or the whole that it is part of.
    """

    def __init__(self, base: CategoricalSpace, grid: GridSpace, name: str = ""):
        self.base, self.grid = base, grid
        self.architecture_space = base.whole if isinstance(base, Subspace) else base
        if base.n_codes * grid.n_codes > _MOST_ROWS:
            raise NasbenchSuiteError(
                f"{base.n_codes:,} architectures with {grid.n_codes:,} settings are too many for one space; "
                f"there may be {_MOST_ROWS:,}."
            )
        super().__init__(name or f"{base.name}*{grid.name}", grid.cardinalities + base.cardinalities)

    def architectures(self, genes: Genes) -> Genes:
        """Return the architecture of every row, uint8 `[n, architecture_space.n_genes]`."""
        own = np.ascontiguousarray(genes[:, self.grid.n_genes :])
        return self.base.within(own) if isinstance(self.base, Subspace) else own

    def settings(self, genes: Genes) -> dict[str, NDArray[np.float64]]:
        """Return the value of every hyperparameter that is a number, float64 `[n]` by name."""
        places = dict(zip(self.grid.values, range(self.grid.n_genes), strict=True))
        return {name: values[genes[:, places[name]]] for name, values in self.grid.numbers.items()}

    def setting_number(self, genes: Genes) -> NDArray[np.int64]:
        """Return a number for the setting of every row, equal for equal settings, int64 `[n]`."""
        return self.encode(genes) // self.base.n_codes

    def _representatives(self) -> NDArray[np.int32]:
        of_base = self.base.representative_of_code
        first = np.arange(self.grid.n_codes, dtype=np.int32)[:, None] * np.int32(self.base.n_codes)
        found: NDArray[np.int32] = np.where(of_base < 0, np.int32(-1), first + of_base).ravel()
        return found

    def parse(self, text: str) -> Genes:
        """Read a setting, `lr=0.1 batch=32`, and behind it an architecture in the form of its space."""
        words = text.split(maxsplit=self.grid.n_genes)
        if len(words) <= self.grid.n_genes:
            raise ArchitectureError(
                f"{text!r} must be a setting of {', '.join(self.grid.values)} and then an architecture, for "
                f"example {self.format(self.sample(np.random.default_rng(0), 1))[0]}"
            )
        setting = self.grid.parse(" ".join(words[:-1]))
        return np.concatenate([setting, self.base.parse(words[-1])])

    def format(self, genes: Genes) -> list[str]:
        """Write every row as its setting and its architecture."""
        self.encode(genes)
        settings = self.grid.format(np.ascontiguousarray(genes[:, : self.grid.n_genes]))
        architectures = self.architecture_space.format(self.architectures(genes))
        return [f"{setting} {text}" for setting, text in zip(settings, architectures, strict=True)]
