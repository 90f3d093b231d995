"""Mixed cells against the sum of their edges, one by one, and their gradients."""

import pytest
import torch
from torch import nn

from nasbench_suite.spaces.nats_topology import EDGES, OPERATIONS
from nasbench_suite.training.choices import Gate, mixed_gates
from nasbench_suite.training.mixed_cell import MixedCell
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.networks.nats_topology import sum_of_edges
from nasbench_suite.training.supernet import Supernet, SupernetOptions


def cell_of(dims, *, share=1, affine=False):
    torch.manual_seed(0)
    skeleton = Skeleton(inputs=1, classes=3, dims=dims, width=8, depth=1, style="light")
    supernet = Supernet("nats_topology", skeleton, SupernetOptions(share=share, affine=affine)).double()
    (cell,) = supernet.network.stages[0]
    assert isinstance(cell, MixedCell)
    return cell


def inputs(dims):
    shape = (5, 8, 12) if dims == 1 else (5, 8, 6, 7)
    return torch.randn(shape, dtype=torch.double, generator=torch.Generator().manual_seed(1))


def weights(seed=2):
    values = torch.rand(len(EDGES), len(OPERATIONS), generator=torch.Generator().manual_seed(seed))
    return values.double().requires_grad_()


def open_gates(cell, gates):
    for choice in cell.edges:
        choice.gate = gates[choice.gene]


def result_and_gradients(run, cell, values, x):
    x = x.clone().requires_grad_()
    open_gates(cell, gates_of(values))
    y = run(x)
    wanted = [x, values, *cell.parameters()]
    way = torch.randn(y.shape, dtype=torch.double, generator=torch.Generator().manual_seed(3))
    return [y, *torch.autograd.grad((y * way).sum(), wanted, materialize_grads=True)]


def gates_of(values):
    """Mixed gates; edge 1 has lost its first operations, edge 4 both convolutions, edge 5 has a scale."""
    gates = mixed_gates(values, [len(OPERATIONS)] * len(EDGES))
    gates[1] = Gate({place: values[1, place] for place in (2, 3, 4)})
    gates[4] = Gate({place: values[4, place] for place in (0, 1, 4)})
    gates[5] = Gate(gates[5].weights, values[0].sum())
    return gates


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("share", [1, 4])
def test_a_mixed_cell_is_the_sum_of_its_edges_with_all_its_gradients(dims, share):
    cell, values, x = cell_of(dims, share=share), weights(), inputs(dims)
    at_once = result_and_gradients(cell, cell, values, x)
    one_by_one = result_and_gradients(lambda x: sum_of_edges(cell.edges, x), cell, values, x)
    for mine, theirs in zip(at_once, one_by_one, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-12)


def calls_of(cell, gates):
    """Count how often the operations are called themselves."""
    calls = []
    hooks = [m.register_forward_hook(lambda m, *_: calls.append(type(m).__name__)) for m in cell.modules()]
    open_gates(cell, gates)
    cell(inputs(1))
    for hook in hooks:
        hook.remove()
    return calls


def test_operations_are_computed_at_once_only_where_all_gates_are_mixed_without_scales():
    every = mixed_gates(weights().detach(), [5] * 6)
    assert "ReluConvNorm" not in calls_of(cell_of(1), every)
    assert calls_of(cell_of(1), every).count("AvgPool1d") == 3  # one for each node that anything leaves
    assert calls_of(cell_of(1, affine=True), every).count("ReluConvNorm") == 12
    one_sampled = [*every[:5], Gate({3: None})]
    assert calls_of(cell_of(1), one_sampled).count("ReluConvNorm") == 11


def test_gates_without_any_convolution_or_anything_but_zeros():
    cell, x = cell_of(1), inputs(1)
    half = torch.tensor(0.5, dtype=torch.double)
    open_gates(cell, [Gate({0: half, 1: half})] * 6)
    # node 1 is x/2, node 2 x/2 + x/4, node 3 the half of x, x/2 and 3x/4
    assert torch.allclose(cell(x), x * (1 + 0.5 + 0.75) / 2)
    assert isinstance(cell.edges[0].operations[1], nn.Identity)
