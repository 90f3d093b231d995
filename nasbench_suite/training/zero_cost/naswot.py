"""NASWOT: how differently inputs switch the rectifiers of a network.

Mellor, Turner, Storkey, Crowley: "Neural Architecture Search without Training" (ICML 2021), section 3.
"""

import torch
from torch import Tensor, nn

from nasbench_suite.training.networks import Network


def naswot(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the logarithm of the determinant of the kernel that counts equal bits of all pairs of inputs."""
    n = len(inputs)
    kernel = torch.zeros(n, n, dtype=torch.float64, device=inputs.device)

    def count(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        on = (given[0].detach().flatten(1) > 0).to(torch.float64)
        kernel.add_(on @ on.T + (1 - on) @ (1 - on).T)

    rectifiers = [m for m in network.modules() if isinstance(m, nn.ReLU | nn.ReLU6)]
    hooks = [module.register_forward_hook(count) for module in rectifiers]
    try:
        with torch.no_grad():
            network(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    found: Tensor = torch.linalg.slogdet(kernel).logabsdet
    return found
