"""Where the operations of a network stand: the blocks that every gene chooses.

Only spaces in which every gene adds blocks of its own (`counting.ADDITIVE`) have such places.
"""

from typing import cast

from torch import nn

from nasbench_suite.training.networks import Network
from nasbench_suite.training.networks.nats_topology import TopologyNetwork
from nasbench_suite.training.networks.network import ChainNetwork


def searched_blocks(network: Network) -> list[list[nn.Module]]:
    """Return the blocks of every gene, each in the order of the network.

    A gene of a chain has one block, an edge of a topology cell one in every cell.
    """
    if isinstance(network, TopologyNetwork):
        cells = [cell for stage in network.stages for cell in cast(nn.ModuleList, stage)]
        edges = [cast(nn.ModuleList, cell.edges) for cell in cells]
        return [list(blocks) for blocks in zip(*edges, strict=True)]
    return [[block] for block in cast(ChainNetwork, network).blocks]
