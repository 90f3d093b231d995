"""All proxies by name, and their values for architectures of a space."""

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasbench_suite.errors import UnknownNameError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.training.counting import count
from nasbench_suite.training.networks import Network, Skeleton, build_network
from nasbench_suite.training.threads import one_thread
from nasbench_suite.training.zero_cost.jacobian import epe_nas, jacob_cov
from nasbench_suite.training.zero_cost.naswot import naswot
from nasbench_suite.training.zero_cost.saliency import fisher, grad_norm, grasp, l2_norm, plain, snip
from nasbench_suite.training.zero_cost.synflow import synflow
from nasbench_suite.training.zero_cost.zen import zen

Proxy = Callable[[Network, Tensor, Tensor], Tensor]
"""Takes a network that it may change, inputs `[n, ...]` and labels `[n]`, and returns a number."""


def _params(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    return torch.tensor(count(network, tuple(inputs.shape[1:])).parameters / 1e6)


def _flops(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    return torch.tensor(count(network, tuple(inputs.shape[1:])).multiply_adds / 1e6)


PROXIES: Mapping[str, Proxy] = {
    "epe_nas": epe_nas,
    "fisher": fisher,
    "flops": _flops,
    "grad_norm": grad_norm,
    "grasp": grasp,
    "jacob_cov": jacob_cov,
    "l2_norm": l2_norm,
    "naswot": naswot,
    "params": _params,
    "plain": plain,
    "snip": snip,
    "synflow": synflow,
    "zen": zen,
}
"""Every proxy by name; `params` and `flops` are in millions."""


def proxy_names() -> list[str]:
    """Return the names of all proxies."""
    return sorted(PROXIES)


def zero_cost(
    space: str,
    genes: Genes,
    skeleton: Skeleton,
    inputs: Tensor,
    labels: Tensor,
    *,
    names: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """Return proxies of architectures as networks with random weights.

    Parameters
    ----------
    space, genes, skeleton
        The architectures, uint8 `[n, n_genes]`, and what surrounds them.
    inputs, labels
        One batch, `[b, channels, ...]` and `[b]`, the same for all.
    names
        Which proxies; all for none.
    seed
        Of weights and of whatever a proxy draws: with the genes, so that an architecture has the same values
        in any batch of them.
    progress
        Is told how many architectures are done, and of how many.

    Returns
    -------
    values
        By name, `[n]`; not finite where a network has no answer, such as the flow of one that passes
        nothing on.

    Raises
    ------
    UnknownNameError
        When a proxy is not known.
    """
    for name in names:
        if name not in PROXIES:
            raise UnknownNameError("zero-cost proxy", name, PROXIES)
    wanted = list(names) or proxy_names()
    found = {name: np.full(len(genes), np.nan) for name in wanted}
    keys = get_space(space).key(genes)
    with one_thread(), torch.random.fork_rng(devices=[]):
        for place, (row, key) in enumerate(zip(genes, keys.tolist(), strict=True)):
            torch.manual_seed(int(np.random.SeedSequence([seed, key]).generate_state(1)[0]))
            network = build_network(space, row, skeleton).to(inputs.device)
            network.train()
            for name in wanted:
                value = PROXIES[name](copy.deepcopy(network), inputs, labels)
                found[name][place] = float(value)
            if progress is not None:
                progress(place + 1, len(genes))
    return found
