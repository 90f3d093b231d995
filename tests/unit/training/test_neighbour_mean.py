"""The mean over neighbours is PyTorch's padded average pool, whose gradient is right on a CPU."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from nasbench_suite.training import neighbour_mean as module
from nasbench_suite.training.neighbour_mean import convolved_mean, neighbour_mean
from nasbench_suite.training.operations import average_pool

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
SIZES = [(2, 3, 5, 4), (1, 16, 8, 8), (3, 1, 1, 6), (2, 2, 2, 1), (5, 7, 9, 11)]


def drawn(size, dtype=torch.float64):
    return torch.randn(size, generator=torch.Generator().manual_seed(sum(size)), dtype=dtype)


def pooled(x):
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def gradients(function, x, grad):
    x = x.clone().requires_grad_()
    result = function(x)
    return result.detach(), torch.autograd.grad(result, x, grad)[0]


@pytest.fixture(params=["PyTorch", "Triton"])
def way(request, monkeypatch):
    """Both ways to sum; the kernel runs in Triton's interpreter where there is no GPU."""
    if request.param == "PyTorch":
        monkeypatch.setattr(module, "_has_kernel", lambda: False)
        return
    pytest.importorskip("triton", reason="Triton is not installed; it comes with PyTorch for CUDA")
    from nasbench_suite.training.neighbours_kernel import neighbour_sums

    def sums(x, *, shared):
        return neighbour_sums(x.contiguous(memory_format=torch.channels_last), shared=shared)

    monkeypatch.setattr(module, "_sums", sums)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
def test_it_is_the_pool_and_so_is_its_gradient(size, layout):
    x, grad = drawn(size), drawn(size).flip(0)
    expected = gradients(pooled, x, grad)
    found = gradients(neighbour_mean, x.to(DEVICE, memory_format=layout), grad.to(DEVICE))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("way")
def test_its_second_derivative_is_right():
    """By what goes in, through a square or it would be zero, and by what comes back."""
    x, grad, again = (drawn((2, 3, 4, 5)).roll(i) for i in range(3))

    def twice(function, device):
        values, back = (one.to(device).requires_grad_() for one in (x, grad))
        first = torch.autograd.grad(function(values**2), values, back, create_graph=True)[0]
        return [one.cpu() for one in torch.autograd.grad(first, (values, back), again.to(device))]

    for ours, theirs in zip(twice(neighbour_mean, DEVICE), twice(pooled, "cpu"), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_it_sums_in_single_precision_at_least(dtype):
    x = drawn((4, 8, 6, 6)).to(dtype)
    found, expected = neighbour_mean(x.to(DEVICE)).cpu(), pooled(x.double())
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, rtol=torch.finfo(dtype).eps, atol=1e-6)


def test_arrays_too_large_for_the_kernel_are_pooled_by_pytorch(monkeypatch):
    if DEVICE.type == "cpu":
        pytest.skip("there is no CUDA device, so that there is no kernel to go around")
    monkeypatch.setattr(module, "_LARGEST", 10)
    x = drawn((1, 2, 4, 4))
    torch.testing.assert_close(neighbour_mean(x.to(DEVICE)).cpu(), pooled(x))


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["first", "last"])
def test_by_convolution_it_is_the_pool_too(size, layout):
    x, grad = drawn(size), drawn(size).flip(0)
    found = gradients(convolved_mean, x.to(memory_format=layout), grad)
    for ours, theirs in zip(found, gradients(pooled, x, grad), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_by_convolution_it_keeps_the_type_whatever_else_is_cast(dtype):
    x = drawn((4, 8, 6, 6)).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = convolved_mean(x)
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), pooled(x.double()), rtol=torch.finfo(dtype).eps, atol=1e-6)


@pytest.fixture
def operations_compiled():
    """What a compiler for a CPU gets of the pool, by type."""

    def found(dtype):
        seen = set()

        def compiler(graph, inputs):
            seen.update(node.target for node in graph.graph.nodes)
            return graph.forward

        torch._dynamo.reset()
        x = drawn((2, 3, 5, 4), dtype)
        result = torch.compile(average_pool(2, 3, 1, 1), backend=compiler)(x)
        torch.testing.assert_close(result, pooled(x), rtol=2 * torch.finfo(dtype).eps, atol=1e-6)
        return seen

    yield found
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is:DeprecationWarning")
def test_only_a_compiler_for_a_cpu_gets_the_convolution_in_place_of_the_pool(operations_compiled):
    assert torch.conv2d in operations_compiled(torch.bfloat16)
    assert torch.conv2d not in operations_compiled(torch.float32)
    x = drawn((2, 3, 5, 4)).to(torch.bfloat16)
    exported = torch.export.export(average_pool(2, 3, 1, 1), (x,), strict=False).graph.nodes
    assert "aten.avg_pool2d.default" in [str(node.target) for node in exported]
