"""Networks of architectures: `build_network`, with one file per space."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from nasbench_suite.errors import ArchitectureError, UnknownNameError
from nasbench_suite.spaces import Genes, JointSpace, get_space
from nasbench_suite.training.networks.darts_cell import DartsNetwork
from nasbench_suite.training.networks.macro import MacroNetwork
from nasbench_suite.training.networks.mnasnet import MnasnetNetwork
from nasbench_suite.training.networks.mobile import MobileNetwork
from nasbench_suite.training.networks.nasbench101 import Network101
from nasbench_suite.training.networks.nats_size import SizeNetwork
from nasbench_suite.training.networks.nats_topology import TopologyNetwork, operations_with_weights
from nasbench_suite.training.networks.network import Network
from nasbench_suite.training.networks.skeleton import Skeleton

__all__ = [
    "Network",
    "Skeleton",
    "build_network",
    "layers_with_weights",
    "network_spaces",
    "official_skeleton",
]

_Builder = Callable[[Sequence[int], Skeleton], Network]
_BUILDERS: dict[str, tuple[_Builder, Skeleton]] = {
    "darts_cell": (DartsNetwork, Skeleton(width=32, depth=8, auxiliary=True, drop_path=0.2)),
    "macro": (MacroNetwork, Skeleton(width=32)),
    "mnasnet": (MnasnetNetwork, Skeleton(width=32, classes=1000)),
    "mobile": (MobileNetwork, Skeleton(width=32, classes=1000)),
    "nasbench101": (Network101, Skeleton(width=128, depth=3)),
    "nats_size": (SizeNetwork, Skeleton(width=8, depth=1)),
    "nats_topology": (TopologyNetwork, Skeleton(width=16, depth=5)),
}
"""What builds a space's networks, and the skeleton of its authors."""


def network_spaces() -> list[str]:
    """Return the names of the spaces whose architectures `build_network` builds."""
    return sorted(_BUILDERS)


def official_skeleton(space: str, *, classes: int | None = None) -> Skeleton:
    """Return the skeleton of the authors of a space, for CIFAR-10 unless they had another data set.

    Parameters
    ----------
    space
        Name of the space.
    classes
        Number of classes; the data set's own if None.

    Raises
    ------
    UnknownNameError
        When there are no networks of such a space.
    """
    _, skeleton = _known(space)
    return skeleton if classes is None else replace(skeleton, classes=classes)


def build_network(space: str, genes: Genes, skeleton: Skeleton) -> Network:
    """Build the network of one architecture, with initial weights from PyTorch's global generator.

    Parameters
    ----------
    space
        Name of the space.
    genes
        One row, uint8 `[n_genes]`.
    skeleton
        What surrounds the searched part.

    Returns
    -------
    Network
        Takes `[n, inputs, ...]` and gives logits `[n, classes]`; refuses inputs that are too small.

    Raises
    ------
    UnknownNameError
        When there are no networks of such a space.
    ArchitectureError
        When `genes` are no architecture of the space.
    NasbenchSuiteError
        When the skeleton does not suit the architecture.
    """
    row = np.asarray(genes)
    rows, known = row[None], get_space(space)
    if not known.valid(rows)[0]:
        raise ArchitectureError(f"{row.tolist()} is not a valid architecture of space {space!r}.")
    if isinstance(known, JointSpace):  # how it is trained does not matter to a network
        return build_network(known.architecture_space.name, known.architectures(rows)[0], skeleton)
    builder, _ = _known(space)
    return builder(row.tolist(), skeleton)


def layers_with_weights(space: str, genes: Genes) -> Genes:
    """Return what tells the layers with weights, uint8 `[n, n_genes]`, of every row of genes.

    Where two rows agree, their networks have the same such layers in the same order, so that their states
    are alike in names and shapes.
    """
    return operations_with_weights(genes) if space == "nats_topology" else genes


def _known(space: str) -> tuple[_Builder, Skeleton]:
    if space not in _BUILDERS:
        raise UnknownNameError("network builder for a space called", space, _BUILDERS)
    return _BUILDERS[space]
