"""Losses with costs against NumPy and finite differences."""

import numpy as np
import pytest
import torch

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.strategies.cost_loss import add_linear, mul_log


def in_numpy(form, loss, expected):
    if form == "mul_log":
        return 0.2 * loss * (np.log(expected) / np.log(80.0)) ** 0.6
    return loss + 0.3 * (expected - 80.0) / 80.0


def ours(form, loss, expected):
    if form == "mul_log":
        return mul_log(loss, expected, 80.0, 0.2, 0.6)
    return add_linear(loss, expected, 80.0, 0.3)


@pytest.mark.parametrize("form", ["mul_log", "add_linear"])
@pytest.mark.parametrize("given", [(2.3, 80.0), (0.4, 12.0), (5.0, 3000.0)])
def test_values_and_gradients(form, given):
    loss, expected = (torch.tensor(value, dtype=torch.double, requires_grad=True) for value in given)
    found = ours(form, loss, expected)
    assert float(found.detach()) == pytest.approx(in_numpy(form, *given), rel=1e-13)
    step = 1e-5
    slopes = [
        (in_numpy(form, given[0] + step, given[1]) - in_numpy(form, given[0] - step, given[1])) / (2 * step),
        (in_numpy(form, given[0], given[1] + step) - in_numpy(form, given[0], given[1] - step)) / (2 * step),
    ]
    gradients = torch.autograd.grad(found, [loss, expected])
    assert [float(gradient) for gradient in gradients] == pytest.approx(slopes, rel=1e-5)


def test_at_the_reference_the_factor_is_alpha_and_the_sum_is_the_loss():
    loss, reference = torch.tensor(2.0), torch.tensor(80.0)
    assert float(ours("mul_log", loss, reference)) == pytest.approx(0.4)
    assert float(ours("add_linear", loss, reference)) == 2.0


def test_a_reference_whose_logarithm_is_not_positive_is_refused():
    with pytest.raises(NasbenchSuiteError, match="above 1"):
        mul_log(torch.tensor(1.0), torch.tensor(2.0), 1.0, 0.2, 0.3)
