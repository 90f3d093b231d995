"""Search spaces: what an architecture is, one file per space."""

from functools import cache

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces.base import Codes, Genes, NumberedSpace, SearchSpace
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.spaces.darts_cell import DartsCellSpace
from nasbench_suite.spaces.fbnet import FbnetSpace
from nasbench_suite.spaces.gan import GanSpace
from nasbench_suite.spaces.graph import GraphSpace
from nasbench_suite.spaces.grid import GridSpace
from nasbench_suite.spaces.joint import JointSpace
from nasbench_suite.spaces.joint_topology import joint_topology
from nasbench_suite.spaces.macro import MacroSpace
from nasbench_suite.spaces.mnasnet import MnasnetSpace
from nasbench_suite.spaces.mobile import MobileSpace
from nasbench_suite.spaces.nasbench101 import NasBench101Space
from nasbench_suite.spaces.nats_size import NatsSizeSpace
from nasbench_suite.spaces.nats_topology import NatsTopologySpace
from nasbench_suite.spaces.product import ProductSpace
from nasbench_suite.spaces.subspace import Subspace
from nasbench_suite.spaces.transnas import TransnasMacroSpace, TransnasMicroSpace

__all__ = [
    "CategoricalSpace",
    "Codes",
    "DartsCellSpace",
    "FbnetSpace",
    "GanSpace",
    "Genes",
    "GraphSpace",
    "GridSpace",
    "JointSpace",
    "MacroSpace",
    "MnasnetSpace",
    "MobileSpace",
    "NasBench101Space",
    "NatsSizeSpace",
    "NatsTopologySpace",
    "NumberedSpace",
    "ProductSpace",
    "SearchSpace",
    "Subspace",
    "TransnasMacroSpace",
    "TransnasMicroSpace",
    "get_space",
    "space_names",
]

_SPACES = {
    "darts_cell": DartsCellSpace,
    "fbnet": FbnetSpace,
    "gan": lambda: GanSpace("gan", 3),
    "gan_two_cells": lambda: GanSpace("gan_two_cells", 2),
    "graph": lambda: GraphSpace("graph"),
    "graph_proteins": lambda: GraphSpace("graph_proteins"),
    "joint_topology": joint_topology,
    "nasbench101": NasBench101Space,
    "macro": MacroSpace,
    "mnasnet": MnasnetSpace,
    "mobile": MobileSpace,
    "nats_size": NatsSizeSpace,
    "nats_topology": NatsTopologySpace,
    "transnas_macro": TransnasMacroSpace,
    "transnas_micro": TransnasMicroSpace,
}


def space_names() -> list[str]:
    """Return the names that `get_space` answers to."""
    return sorted(_SPACES)


def _numbered(name: str) -> CategoricalSpace:
    """Return a space whose architectures can be numbered with the settings of a grid."""
    space = get_space(name)
    if not isinstance(space, CategoricalSpace):
        raise NasbenchSuiteError(
            f"architectures of space {name} cannot be joined with hyperparameters; those of "
            f"{', '.join(n for n in space_names() if isinstance(get_space(n), CategoricalSpace))} can."
        )
    return space


@cache
def get_space(name: str) -> SearchSpace:
    """Return the search space called `name`; the same object for every call.

    A name may describe a space: `grid(lr=0.1|0.2,batch=32|64)` is one of hyperparameters, and
    `nats_topology*grid(lr=0.1|0.2)` has architectures of the space before the star with settings of it.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message lists the nearest names.
    NasbenchSuiteError
        When a described space has another form, or is too large.
    """
    base, star, grid = name.partition("*")
    if star:
        return JointSpace(_numbered(base), GridSpace.of_name(grid))
    if name.startswith("grid("):
        return GridSpace.of_name(name)
    if name not in _SPACES:
        raise UnknownNameError("search space", name, _SPACES)
    return _SPACES[name]()
