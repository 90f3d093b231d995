"""Search spaces: what an architecture is, one file per space."""

from functools import cache

from nasbench_suite.errors import UnknownNameError
from nasbench_suite.spaces.base import Codes, Genes, NumberedSpace, SearchSpace
from nasbench_suite.spaces.categorical import CategoricalSpace
from nasbench_suite.spaces.darts_cell import DartsCellSpace
from nasbench_suite.spaces.fbnet import FbnetSpace
from nasbench_suite.spaces.graph import GraphSpace
from nasbench_suite.spaces.joint import JointSpace
from nasbench_suite.spaces.macro import MacroSpace
from nasbench_suite.spaces.mnasnet import MnasnetSpace
from nasbench_suite.spaces.mobile import MobileSpace
from nasbench_suite.spaces.nasbench101 import NasBench101Space
from nasbench_suite.spaces.nats_size import NatsSizeSpace
from nasbench_suite.spaces.nats_topology import NatsTopologySpace
from nasbench_suite.spaces.product import ProductSpace
from nasbench_suite.spaces.transnas import TransnasMacroSpace, TransnasMicroSpace

__all__ = [
    "CategoricalSpace",
    "Codes",
    "DartsCellSpace",
    "FbnetSpace",
    "Genes",
    "GraphSpace",
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
    "TransnasMacroSpace",
    "TransnasMicroSpace",
    "get_space",
    "space_names",
]

_SPACES = {
    "darts_cell": DartsCellSpace,
    "fbnet": FbnetSpace,
    "graph": lambda: GraphSpace("graph"),
    "graph_proteins": lambda: GraphSpace("graph_proteins"),
    "joint_topology": lambda: JointSpace("joint_topology", NatsTopologySpace()),
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
