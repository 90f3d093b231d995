"""Proxies from gradients of the loss with respect to the weights, summed over all layers that have weights.

In the form of Abdelfattah, Mehrotra, Dudziak, Lane: "Zero-Cost Proxies for Lightweight NAS" (ICLR 2021),
section 3.2: scores that were made to prune single weights are added up over all of them.
"""

from collections.abc import Iterator
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from torch import Tensor, nn

from nasbench_suite.training.networks import Network

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)
"""Layers whose weights count; their biases, and normalisations, do not."""


def weights_of(network: nn.Module) -> list[Tensor]:
    """Return the weights of all layers that have such."""
    return [cast(Tensor, layer.weight) for layer in layers_of(network)]


def layers_of(network: nn.Module) -> Iterator[nn.Module]:
    """Yield all layers whose weights count."""
    for module in network.modules():
        if isinstance(module, LAYERS):
            yield module


def _gradients(network: Network, inputs: Tensor, labels: Tensor) -> list[Tensor]:
    loss = F.cross_entropy(network(inputs), labels)
    return list(torch.autograd.grad(loss, weights_of(network), materialize_grads=True))


def l2_norm(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the sum over layers of the norm of the weights."""
    return torch.stack([weight.detach().norm() for weight in weights_of(network)]).sum()


def grad_norm(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the sum over layers of the norm of the gradient."""
    return torch.stack([gradient.norm() for gradient in _gradients(network, inputs, labels)]).sum()


def plain(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of weight times gradient."""
    pairs = zip(weights_of(network), _gradients(network, inputs, labels), strict=True)
    return torch.stack([(weight.detach() * gradient).sum() for weight, gradient in pairs]).sum()


def snip(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the sum of the magnitudes of weight times gradient (Lee et al.: SNIP, ICLR 2019)."""
    pairs = zip(weights_of(network), _gradients(network, inputs, labels), strict=True)
    return torch.stack([(weight.detach() * gradient).abs().sum() for weight, gradient in pairs]).sum()


def grasp(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return minus the sum of weight times (Hessian times gradient) (Wang et al.: GraSP, ICLR 2020)."""
    weights = weights_of(network)
    loss = F.cross_entropy(network(inputs), labels)
    found = torch.autograd.grad(loss, weights, create_graph=True, materialize_grads=True)
    along = torch.stack([(gradient * gradient.detach()).sum() for gradient in found]).sum()
    products = torch.autograd.grad(along, weights, materialize_grads=True)
    pairs = zip(weights, products, strict=True)
    return torch.stack([-(weight.detach() * product).sum() for weight, product in pairs]).sum()


def fisher(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return half the sum over channels of the mean squared product of activation and gradient.

    The activations are the outputs of all layers, summed over places (Turner et al.: BlockSwap, ICLR 2020).
    """
    outputs: list[Tensor] = []

    def keep(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        outputs.append(output)

    hooks = [layer.register_forward_hook(keep) for layer in layers_of(network)]
    try:
        loss = F.cross_entropy(network(inputs), labels)
    finally:
        for hook in hooks:
            hook.remove()
    gradients = torch.autograd.grad(loss, outputs, materialize_grads=True)
    total = torch.zeros((), dtype=loss.dtype, device=loss.device)
    for output, gradient in zip(outputs, gradients, strict=True):
        product = output.detach() * gradient
        by_channel = product.flatten(2).sum(2) if product.ndim > 2 else product
        total = total + 0.5 * by_channel.square().mean(0).sum()
    return total
