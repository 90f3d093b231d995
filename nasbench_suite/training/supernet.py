"""One network that holds all architectures of a space: in every place that is chosen stand all operations.

Strategies that share weights train it, and differ in how they open its gates: a **mixed** gate adds all
operations, each with a weight (DARTS), a **sampled** one has a single operation (ENAS, SPOS), a **gated** one
has few, with weights that are one or zero and carry a gradient (GDAS, ProxylessNAS).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from torch import Tensor, nn

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.spaces import macro as macro_space
from nasbench_suite.spaces import mobile as mobile_space
from nasbench_suite.spaces import nats_topology as topology_space
from nasbench_suite.training.choices import Choice, Gates, PartialChoice
from nasbench_suite.training.mixed_cell import MixedCell
from nasbench_suite.training.networks import Network, Skeleton, build_network, macro, mobile, nats_topology


@dataclass(frozen=True)
class SupernetOptions:
    """How a supernet is made.

    Attributes
    ----------
    share
        One channel in so many goes through the choices; 1 for all.
    affine
        Whether normalisations inside of choices have scales and shifts, which would take over the role of the
        gates' weights.
    skip
        Makes what stands for an identity, given dims and channels; None: the identity itself.
    """

    share: int = 1
    affine: bool = False
    skip: Callable[[int, int], nn.Module] | None = None


class Supernet(nn.Module):
    """The supernet of a space in a skeleton.

    Normalisations take the statistics of the batch, in training and in inference alike: running averages
    would mix those of many architectures. Initial weights come from PyTorch's global generator.

    Parameters
    ----------
    space
        Name of a space in `supernet_spaces()`.
    skeleton
        What surrounds the choices.
    options
        How it is made.

    Attributes
    ----------
    network
        A network of the space whose searched operations are `Choice`s.
    choices
        All of them; a gene that is used in several places has several.
    cardinalities
        Number of operations of every gene.

    Raises
    ------
    UnknownNameError
        When there is no supernet of such a space.
    NasbenchSuiteError
        When widths are no multiples of `share`, or the space's choices change the shape, so that no channel
        can pass by.
    """

    def __init__(self, space: str, skeleton: Skeleton, options: SupernetOptions | None = None):
        super().__init__()
        if space not in _BUILDERS:
            raise UnknownNameError("supernet of a space called", space, _BUILDERS)
        self.space, self.options = space, options or SupernetOptions()
        self.cardinalities = get_space(space).cardinalities
        self.network: Network = build_network(space, _first_row(space), skeleton)
        _BUILDERS[space](_Maker(self.network, self.options))
        self.choices = [module for module in self.network.modules() if isinstance(module, Choice)]
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                _use_batch_statistics(module)
        if not self.options.affine:
            for choice in self.choices:
                _drop_scales(choice)

    def forward(self, x: Tensor, gates: Gates) -> Tensor:
        """Return logits `[n, classes]` for `[n, inputs, ...]`, with one gate for each gene."""
        for choice in self.choices:
            choice.gate = gates[choice.gene]
        try:
            return cast(Tensor, self.network(x))
        finally:
            for choice in self.choices:  # else the gates' graph, and all it keeps, would live on
                choice.gate = None


@dataclass
class _Maker:
    """Makes the choices of a network."""

    network: Network
    options: SupernetOptions
    skeleton: Skeleton = field(init=False)

    def __post_init__(self) -> None:
        self.skeleton = self.network.skeleton

    def choice(self, gene: int, operations: Sequence[nn.Module], channels: int) -> Choice:
        """Return a choice; `channels` are those of an identity among the operations."""
        skip = self.options.skip
        if skip is not None:
            dims = self.skeleton.dims
            operations = [skip(dims, channels) if isinstance(o, nn.Identity) else o for o in operations]
        if self.options.share == 1:
            return Choice(gene, operations)
        return PartialChoice(gene, operations, self.options.share)

    def refuse_partial(self) -> None:
        if self.options.share != 1:
            raise NasbenchSuiteError(
                "a choice of layers changes the number of channels, so that none can pass by it; partial "
                "channels are for spaces of cells, such as nats_topology."
            )


def _topology(make: _Maker) -> None:
    network, skeleton, share = make.network, make.skeleton, make.options.share
    assert isinstance(network, nats_topology.TopologyNetwork)
    if skeleton.width % share:
        raise NasbenchSuiteError(
            f"a width of {skeleton.width} is no multiple of {share}, of whose channels one goes through the "
            "choices; take another width or another share."
        )
    for stage, cells in enumerate(network.stages):
        channels = skeleton.width * 2**stage // share
        for place in range(skeleton.depth):
            choices = []
            for gene in range(len(topology_space.EDGES)):
                operations = [
                    nats_topology.edge(skeleton.dims, channels, name) for name in topology_space.OPERATIONS
                ]
                choices.append(make.choice(gene, operations, channels))
            cast(nn.ModuleList, cells)[place] = MixedCell(skeleton.dims, choices)


def _macro(make: _Maker) -> None:
    make.refuse_partial()
    network, dims = cast(macro.MacroNetwork, make.network), make.skeleton.dims
    for layer, shape in enumerate(macro.layer_shapes(make.skeleton)):
        operations = [macro.block(dims, name, *shape) for name in macro_space.OPERATIONS]
        network.blocks[layer] = make.choice(layer, operations, shape[1])


def _mobile(make: _Maker) -> None:
    make.refuse_partial()
    network, dims = cast(mobile.MobileNetwork, make.network), make.skeleton.dims
    cardinalities = get_space("mobile").cardinalities
    for layer, shape in enumerate(mobile.layer_shapes(make.skeleton)):
        names = mobile_space.OPERATIONS[: cardinalities[layer]]
        operations = [mobile.block(dims, name, *shape) for name in names]
        network.blocks[layer] = make.choice(layer, operations, shape[1])
        network.blocks[layer].apply(mobile.initialize)


_BUILDERS: Mapping[str, Callable[[_Maker], None]] = {
    "macro": _macro,
    "mobile": _mobile,
    "nats_topology": _topology,
}
"""What puts the choices into the network of a space."""


def supernet_spaces() -> list[str]:
    """Return the names of the spaces that have a supernet."""
    return sorted(_BUILDERS)


def _first_row(space: str) -> Genes:
    return np.zeros(get_space(space).n_genes, dtype=np.uint8)


def _use_batch_statistics(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    norm.track_running_stats = False
    norm.running_mean = norm.running_var = norm.num_batches_tracked = None


def _drop_scales(choice: Choice) -> None:
    for module in choice.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.affine = False
            module.register_parameter("weight", None)
            module.register_parameter("bias", None)
