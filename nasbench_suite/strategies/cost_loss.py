"""Losses that weigh what networks get wrong against what they are expected to cost.

Cai, Zhu, Han: "ProxylessNAS" (ICLR 2019), section 3.3, with the forms of the authors' code
(mit-han-lab/proxylessnas, `search/nas_manager.py`).
"""

import math

from torch import Tensor

from nasbench_suite.errors import NasbenchSuiteError


def mul_log(loss: Tensor, expected: Tensor, reference: float, alpha: float, beta: float) -> Tensor:
    """Return `alpha * loss * (log expected / log reference) ** beta`, a scalar.

    Parameters
    ----------
    loss
        What it is without costs.
    expected, reference
        Costs in one unit, in which both are above 1: the logarithms depend on it.

    Raises
    ------
    NasbenchSuiteError
        When the reference is not above 1.
    """
    if reference <= 1:
        raise NasbenchSuiteError(
            f"the reference cost is {reference:g}; its logarithm must be positive, so it must be above 1."
        )
    return alpha * loss * (expected.log() / math.log(reference)) ** beta


def add_linear(loss: Tensor, expected: Tensor, reference: float, weight: float) -> Tensor:
    """Return `loss + weight * (expected - reference) / reference`, a scalar; costs in any unit."""
    return loss + weight * (expected - reference) / reference
