"""Networks compiled for a CPU: against the same network uncompiled, and where nothing can be compiled."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.compiled import check_compiler, compiled
from nasbench_suite.training.data import load_data
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Trainer

RECIPE = replace(get_recipe("short"), epochs=2, batch=48, drop_last=False)
SKELETON = Skeleton(inputs=1, dims=2, width=2, depth=1)
GENES = np.array([3, 1, 2, 4, 0, 3], dtype=np.uint8)  # every operation
# PyTorch's compiler imports a module of PyTorch that PyTorch itself calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script_method. is:DeprecationWarning")
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler here")


@pytest.fixture
def data():
    return load_data("digits", train=200, valid=100, test=100)  # four whole batches, and one of 8


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Nothing compiled before, here or by another process."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    torch._dynamo.reset()
    counters.clear()
    yield
    torch._dynamo.reset()


def cells():
    return initial_network("nats_topology", GENES, SKELETON, 3).double()


def network():
    """A network of few operations, since a second of compiling is spent on each."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        convolution, classifier = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * 16, 10)
    rest = nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()
    return nn.Sequential(convolution, *rest, classifier)


@needs_compiler
def test_a_compiled_training_is_the_plain_one_but_for_rounding(data, fresh, tmp_path):
    plain, fused = network(), network()
    here = Trainer().train(plain, data, RECIPE, seed=5)
    there = Trainer(compiled=True).train(fused, data, RECIPE, seed=5)
    assert counters["stats"]["unique_graphs"] == 1  # whole batches; the last of an epoch is not compiled
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(fused.state_dict()[name], value, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(there.train_loss, here.train_loss, rtol=1e-4)
    np.testing.assert_allclose(there.valid_loss, here.valid_loss, rtol=1e-3)


@needs_compiler
@pytest.mark.slow
def test_gradients_of_a_compiled_network_are_its_own(fresh):
    plain, fused = cells(), cells()
    inputs = torch.randn(16, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    plain(inputs).square().sum().backward()
    compiled(fused)(inputs).square().sum().backward()
    for mine, own in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, own.grad, rtol=1e-9, atol=1e-9)
    for mine, own in zip(fused.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(mine, own)


@needs_compiler
def test_what_was_trained_plainly_can_go_on_compiled_and_says_so(data, fresh, tmp_path):
    state = tmp_path / "state.pt"

    class CutError(Exception):
        """Stands for a killed process."""

    def cut(done, total):
        if done == 2:
            raise CutError

    trainer = Trainer(checkpoint=state, checkpoint_seconds=0, progress=cut)
    with pytest.raises(CutError):
        trainer.train(network(), data, RECIPE, seed=5)
    seen = []
    trainer = replace(trainer, compiled=True, progress=lambda done, total: seen.append(done))
    on = network()
    trainer.train(on, data, RECIPE, seed=5)
    assert seen == [2]
    whole = network()
    Trainer().train(whole, data, RECIPE, seed=5)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(on.state_dict()[name], value, rtol=2e-3, atol=2e-4)
    ran_on = torch.load(state, weights_only=True)["ran_on"]
    assert ran_on["compiled"] == "inductor"
    assert ran_on["before"].startswith("up to epoch 1 on ")


def test_without_a_compiler_it_says_what_to_install(data):
    nowhere = torch._inductor.config.patch({"cpp.cxx": ("/nowhere/g++",)})
    with (
        nowhere,
        pytest.raises(NasbenchSuiteError, match=r"no C\+\+ compiler here.*g\+\+"),
    ):
        Trainer(compiled=True).train(network(), data, RECIPE, seed=5)


def test_a_gpu_is_refused_before_anything_is_compiled():
    with pytest.raises(NasbenchSuiteError, match="for a CPU alone"):
        check_compiler("cuda", 2)


def test_signals_are_refused():
    signals = load_data("mnist1d", train=200, valid=100, test=100)
    with pytest.raises(NasbenchSuiteError, match="for images alone"):
        Trainer(compiled=True).train(network(), signals, RECIPE, seed=5)


def test_what_pytorch_cannot_compile_is_one_sentence(monkeypatch, data):
    def refuse(*arguments, **options):
        def called(inputs):
            raise torch._dynamo.exc.InternalTorchDynamoError("first line\nsecond line")

        return called

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(NasbenchSuiteError, match=r"cannot compile this network \(first line\); "):
        Trainer(compiled=True).train(network(), data, RECIPE, seed=5)
