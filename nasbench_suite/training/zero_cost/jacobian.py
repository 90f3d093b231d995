"""Proxies from how the outputs depend on single inputs."""

import torch
from torch import Tensor

from nasbench_suite.training.networks import Network

_SMALL = 1e-5
"""What both authors' code add before a logarithm."""


def rows_of_jacobian(network: Network, inputs: Tensor) -> Tensor:
    """Return the gradient of the sum of all outputs with respect to every input, `[n, values]`."""
    given = inputs.detach().clone().requires_grad_()
    found: Tensor = torch.autograd.grad(network(given).sum(), given, materialize_grads=True)[0]
    return found.flatten(1).double()


def jacob_cov(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return how far from correlated the Jacobians of different inputs are.

    Mellor, Turner, Storkey, Crowley: "Neural Architecture Search without Training", first version (arXiv
    2006.04647v1), section 3: minus the sum over eigenvalues v of the correlation matrix of log(v + k) +
    1 / (v + k).
    """
    correlations = torch.nan_to_num(torch.corrcoef(rows_of_jacobian(network, inputs)))
    values = torch.linalg.eigvalsh(correlations)
    found: Tensor = -(torch.log(values + _SMALL) + 1 / (values + _SMALL)).sum()
    return found


def epe_nas(network: Network, inputs: Tensor, labels: Tensor) -> Tensor:
    """Return how correlated the Jacobians of inputs of the same class are, over all classes.

    Lopes, Alirezazadeh, Alexandre: "EPE-NAS: Efficient Performance Estimation Without Training for Neural
    Architecture Search" (ICANN 2021), section 3, for at most 100 classes: the sum over classes of the
    magnitude of the sum over pairs of log(|correlation| + k).
    """
    rows = rows_of_jacobian(network, inputs)
    total = torch.zeros((), dtype=rows.dtype, device=rows.device)
    for label in sorted(set(labels.tolist())):
        own = rows[labels == label]
        correlations = torch.ones(1, 1, dtype=rows.dtype, device=rows.device)
        if len(own) > 1:
            correlations = torch.nan_to_num(torch.corrcoef(own))
        total = total + torch.log(correlations.abs() + _SMALL).sum().abs()
    return total
