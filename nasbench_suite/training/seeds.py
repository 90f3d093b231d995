"""The random numbers of a training: initial weights by seed and architecture, batches by seed alone."""

import zlib

import numpy as np
import torch
from torch import nn

from nasbench_suite.spaces import Genes
from nasbench_suite.training.networks import Skeleton, build_network

_WEIGHTS, _BATCHES = 0, 1


def _number(seed: int, *key: int) -> int:
    return int(np.random.SeedSequence(seed, spawn_key=key).generate_state(1, np.uint64)[0] >> 1)


def initial_network(space: str, genes: Genes, skeleton: Skeleton, seed: int) -> nn.Module:
    """Build a network whose initial weights depend on space, gene row `[n_genes]` and seed alone."""
    name = zlib.crc32(f"{space} {' '.join(map(str, genes.tolist()))}".encode())
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(_number(seed, _WEIGHTS, name))  # of the CPU alone: a GPU's stays
        return build_network(space, genes, skeleton)


def batch_generator(seed: int, epoch: int) -> torch.Generator:
    """Return the generator of an epoch's batches and augmentation: of the CPU, the same for every device."""
    return torch.Generator().manual_seed(_number(seed, _BATCHES, epoch))
