"""Synaptic flow: how much a network of positive weights passes on, in logarithms.

Tanaka, Kunin, Yamins, Ganguli: "Pruning neural networks without any data by iteratively conserving synaptic
flow" (NeurIPS 2020), equation 4.
"""

import torch
from torch import Tensor, nn

from nasbench_suite.training.networks import Network
from nasbench_suite.training.zero_cost.saliency import weights_of


def synflow(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return the logarithm of the sum of the magnitudes of weight times gradient of the output.

    All parameters are replaced by their magnitudes, the input is all ones, normalisations are left out, and
    everything is computed in double precision, whose range the flow through deep networks needs.
    """
    without_normalisation(network)
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    flow = network(torch.ones_like(inputs[:1], dtype=torch.float64)).sum()
    weights = weights_of(network)
    gradients = torch.autograd.grad(flow, weights, materialize_grads=True)
    pairs = zip(weights, gradients, strict=True)
    return torch.stack([(weight.detach() * gradient).abs().sum() for weight, gradient in pairs]).sum().log()


def without_normalisation(network: nn.Module) -> None:
    """Let all normalisations of a network pass their input on."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
