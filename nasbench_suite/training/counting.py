"""Parameters and multiply-adds of networks, by one rule.

**Parameters** are the trainable numbers: weights and biases, scales and shifts of normalisations. Running
statistics are none.

**Multiply-adds** are those of convolutions and linear layers and of nothing else. Every value of a layer's
output has as many as it has inputs: kernel size times input channels over groups. Normalisation, activation,
pooling, sums and zeros count nothing. To add a bias is one addition per value, which is counted apart.

How the published columns called FLOPs or MACs relate to this:

- NAS-Bench-201 and NATS-Bench (AutoDL-Projects, `flop_benchmark.py`): multiply-adds plus additions of biases;
  there is one per class, in the classifier. The authors' counter has a rule for pooling, but in the end sums
  over convolutions and linear layers alone. The column is a mean over the trainings with several seeds, of
  which in 204 of the 15,625 cells some were of an isomorphic cell with more or fewer convolutions.
- NAS-Bench-Macro (`count_FLOPs`) and ProxylessNAS (`get_flops`): multiply-adds.
- Accel-NASBench: multiply-adds, plus four per normalised value, plus one per value that goes into or comes
  out of a global average.
- NAS-Bench-101 and NAS-Bench-301 publish parameters only.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from nasbench_suite.spaces import Genes, JointSpace, get_space
from nasbench_suite.training.networks import Skeleton, build_network

ADDITIVE = frozenset({"macro", "mobile", "nats_topology"})
"""Spaces in which every gene adds a number of its own, whatever the other genes are."""
CHAINED = frozenset({"nats_size"})
"""Spaces in which a layer's numbers depend on its gene and on that of the layer before it."""
_KEEP_SHAPES = (nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6)


@dataclass(frozen=True)
class Counts:
    """What a network holds and does for one input; see the rule above.

    Attributes
    ----------
    parameters
        Trainable numbers.
    multiply_adds
        Of convolutions and linear layers.
    bias_additions
        Of the same.
    """

    parameters: int
    multiply_adds: int
    bias_additions: int


def count(network: nn.Module, shape: tuple[int, ...]) -> Counts:
    """Count a network for one input of `shape`, `(channels, length)` or `(channels, height, width)`.

    Nothing is computed: shapes alone go through the network, as it is in evaluation.
    """
    done: list[tuple[int, int]] = []

    def note(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear)
        values = output[0].numel()
        done.append((values * layer.weight[0].numel(), values if layer.bias is not None else 0))

    with _only_shapes(network, note), torch.no_grad():
        state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        shapes = {name: value.detach().to("meta") for name, value in state.items()}
        functional_call(network, shapes, (torch.empty((1, *shape), device="meta"),))
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Counts(parameters, sum(work for work, _ in done), sum(biases for _, biases in done))


@contextmanager
def _only_shapes(network: nn.Module, note: Callable[..., None]) -> Iterator[None]:
    """Let `note` see what counted layers give, in evaluation, and pass by what keeps shapes.

    PyTorch works out the shapes of normalisations and activations in Python, a millisecond each.
    """
    modules = list(network.modules())
    modes = [module.training for module in modules]
    counted = [module for module in modules if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear)]
    kept = [module for module in modules if isinstance(module, _KEEP_SHAPES)]
    hooks = [module.register_forward_hook(note) for module in counted]
    try:
        network.eval()
        for layer in kept:
            layer.__dict__["forward"] = _unchanged
        yield
    finally:
        for layer in kept:
            layer.__dict__.pop("forward", None)
        for module, training in zip(modules, modes, strict=True):
            module.training = training
        for hook in hooks:
            hook.remove()


def _unchanged(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class ManyCounts:
    """`Counts` of many networks: int64 `[n]` each."""

    parameters: NDArray[np.int64]
    multiply_adds: NDArray[np.int64]
    bias_additions: NDArray[np.int64]


def count_many(space: str, genes: Genes, skeleton: Skeleton, shape: tuple[int, ...]) -> ManyCounts:
    """Count the networks of many architectures.

    Where every gene adds a number of its own (`ADDITIVE`) and there are enough architectures for it to pay, a
    network is built for each value of each gene only, and sums are taken of what these differ in; where it
    adds one that depends on the gene before it too (`CHAINED`), for each two values of neighbours. Otherwise
    every network is built.

    Parameters
    ----------
    space
        Name of the space.
    genes
        uint8 `[n, n_genes]`.
    skeleton
        What surrounds the searched part.
    shape
        Of one input, `(channels, length)` or `(channels, height, width)`.

    Raises
    ------
    NasbenchSuiteError
        As `build_network`, and when the input is too small.
    """
    known = get_space(space)
    known.canonical(genes)  # refuses what is no architecture
    if isinstance(known, JointSpace):
        return count_many(known.architecture_space.name, known.architectures(genes), skeleton, shape)
    if space in ADDITIVE and len(genes) > sum(known.cardinalities) - known.n_genes:
        counts = _sums(space, genes, skeleton, shape)
    elif space in CHAINED and len(genes) > _networks_of_a_chain(known.cardinalities):
        counts = _sums_of_neighbours(space, genes, skeleton, shape)
    else:
        counts = np.array([_counted(space, row, skeleton, shape) for row in genes], dtype=np.int64)
    return ManyCounts(*counts.reshape(-1, 3).T)


def _sums(space: str, genes: Genes, skeleton: Skeleton, shape: tuple[int, ...]) -> NDArray[np.int64]:
    zeros = np.zeros(genes.shape[1], dtype=np.uint8)
    base = _counted(space, zeros, skeleton, shape)
    counts = np.repeat(base[None], len(genes), axis=0)
    for gene, limit in enumerate(get_space(space).cardinalities):
        more = np.zeros((limit, 3), dtype=np.int64)
        for value in range(1, limit):
            row = zeros.copy()
            row[gene] = value
            more[value] = _counted(space, row, skeleton, shape) - base
        counts += more[genes[:, gene]]
    return counts


def _networks_of_a_chain(limits: Sequence[int]) -> int:
    """Return how many networks `_sums_of_neighbours` builds."""
    alone = 1 + sum(limit - 1 for limit in limits)
    return len(limits) * alone + sum((first - 1) * (second - 1) for first, second in pairwise(limits))


def _sums_of_neighbours(
    space: str, genes: Genes, skeleton: Skeleton, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Sum what each gene adds alone, and what two neighbours add beyond that, all others being zero."""
    limits = get_space(space).cardinalities
    counts = _sums(space, genes, skeleton, shape)
    for gene, (first, second) in enumerate(pairwise(limits)):
        pairs = np.zeros((first * second, len(limits)), dtype=np.uint8)
        pairs[:, gene : gene + 2] = np.stack(np.divmod(np.arange(first * second), second), axis=1)
        beyond = np.zeros((first * second, 3), dtype=np.int64)
        both = pairs[:, gene : gene + 2].all(axis=1)
        alone = _sums(space, pairs[both], skeleton, shape)
        beyond[both] = [_counted(space, row, skeleton, shape) for row in pairs[both]] - alone
        counts += beyond[genes[:, gene].astype(int) * second + genes[:, gene + 1]]
    return counts


def _counted(space: str, row: Genes, skeleton: Skeleton, shape: tuple[int, ...]) -> NDArray[np.int64]:
    with torch.device("meta"):  # weights are never filled in
        counts = count(build_network(space, row, skeleton), shape)
    return np.array([counts.parameters, counts.multiply_adds, counts.bias_additions])
