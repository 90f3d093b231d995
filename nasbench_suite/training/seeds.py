"""The random numbers of a training: initial weights by seed and architecture, batches by seed alone."""

import zlib
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from nasbench_suite.spaces import Genes
from nasbench_suite.training.networks import Skeleton, build_network, layers_with_weights

_WEIGHTS, _BATCHES = 0, 1


def _number(seed: int, *key: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> 1)


def initial_network(space: str, genes: Genes, skeleton: Skeleton, seed: int) -> nn.Module:
    """Build a network whose initial weights depend on space, gene row `[n_genes]` and seed alone."""
    with torch.random.fork_rng(devices=[]):
        _seed_weights(space, genes, seed)
        return build_network(space, genes, skeleton)


def initial_states(space: str, genes: Genes, skeleton: Skeleton, seed: int) -> list[Mapping[str, Tensor]]:
    """Return the states of the networks that `initial_network` builds of rows `[n, n_genes]`.

    One network is built for all rows whose layers with weights are the same, and these are drawn anew for
    each: modules are slow to make, a cell's 3.3 ms for 0.5 ms of drawing.
    """
    built: dict[bytes, nn.Module] = {}
    states: list[Mapping[str, Tensor]] = []
    with torch.random.fork_rng(devices=[]):
        for row, layers in zip(genes, layers_with_weights(space, genes), strict=True):
            key = layers.tobytes()
            _seed_weights(space, row, seed)
            if key in built:
                _draw_anew(built[key])
            else:
                built[key] = build_network(space, row, skeleton)
            states.append({name: value.clone() for name, value in built[key].state_dict().items()})
    return states


def _draw_anew(network: nn.Module) -> None:
    for module in network.modules():  # in the order in which they were made, so that draws are the same
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()


def _seed_weights(space: str, genes: Genes, seed: int) -> None:
    name = zlib.crc32(f"{space} {' '.join(map(str, genes.tolist()))}".encode())
    torch.default_generator.manual_seed(_number(seed, _WEIGHTS, name))  # of the CPU alone: a GPU's stays


def batch_generator(seed: int, epoch: int) -> torch.Generator:
    """Return the generator of an epoch's batches and augmentation: of the CPU, the same for every device."""
    return torch.Generator().manual_seed(_number(seed, _BATCHES, epoch))
