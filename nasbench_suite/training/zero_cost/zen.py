"""Zen-score: how much a random network changes when its input changes a little.

Lin et al.: "Zen-NAS: A Zero-Shot NAS for High-Performance Image Recognition" (ICCV 2021), Algorithm 1.
"""

import torch
from torch import Tensor, nn

from nasbench_suite.training.networks import Network
from nasbench_suite.training.zero_cost.saliency import LAYERS

STEP = 0.01
"""Size of the change of the input."""
REPEATS = 4
"""Draws of input and change; the authors take 32."""


def zen(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the logarithm of the mean change of the last features, with what normalisations took away.

    Weights are drawn from a standard normal distribution, and so are inputs and their changes. The deviation
    of the batch in front of every normalisation is added in logarithms, since it would hide how much the
    network amplifies.
    """
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, LAYERS):
                nn.init.normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        found = torch.stack([_once(network, torch.randn_like(inputs)) for _ in range(REPEATS)])
    return found.mean()


def _once(network: Network, inputs: Tensor) -> Tensor:
    deviations: list[Tensor] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        values = given[0].flatten(2).var(dim=(0, 2), unbiased=False)
        deviations.append(values.mean().clamp_min(torch.finfo(values.dtype).tiny).sqrt().log())

    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    hooks = [module.register_forward_hook(keep) for module in norms]
    try:
        first = network.features(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    changed = network.features(inputs + STEP * torch.randn_like(inputs))
    difference = (first - changed).abs().mean().clamp_min(torch.finfo(inputs.dtype).tiny).log()
    return difference + (torch.stack(deviations).sum() if deviations else 0.0)
