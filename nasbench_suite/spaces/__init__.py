"""Search spaces: what an architecture is, one file per space."""

from functools import cache

from nasbench_suite.errors import UnknownNameError
from nasbench_suite.spaces.base import Codes, Genes, SearchSpace
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.spaces.graph import GraphSpace
from nasbench_suite.spaces.nats_topology import NatsTopologySpace

__all__ = [
    "CategoricalSpace",
    "Codes",
    "Genes",
    "GraphSpace",
    "NatsTopologySpace",
    "SearchSpace",
    "get_space",
    "space_names",
]

_SPACES = {
    "graph": lambda: GraphSpace("graph"),
    "graph_proteins": lambda: GraphSpace("graph_proteins"),
    "nats_topology": NatsTopologySpace,
}


def space_names() -> list[str]:
    """Return the names that `get_space` answers to."""
    return sorted(_SPACES)


@cache
def get_space(name: str) -> SearchSpace:
    """Return the search space called `name`; the same object for every call.

    Raises
    ------
    UnknownNameError
        When there is no such space; the message lists the nearest names.
    """
    if name not in _SPACES:
        raise UnknownNameError("search space", name, _SPACES)
    return _SPACES[name]()
