"""What only a GPU can show: graphs of whole steps, folded networks there, memory that is really full."""

import copy
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import load_data
from nasbench_suite.training.data.augmentation import FlipCrop
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.many import train_together
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

SIGNALS = Skeleton(inputs=1, dims=1, width=4, depth=1, style="light")
IMAGES = Skeleton(inputs=1, width=4, depth=1)
CURVES = [field.name for field in fields(LearningCurves) if field.name.split("_")[-1] in ("loss", "accuracy")]
ROWS = np.random.default_rng(1).integers(0, 5, (40, 6)).astype(np.uint8)
NETWORKS = [
    ("nats_topology", [3, 2, 1, 4, 0, 3]),
    ("nats_topology", [4, 2, 1, 2, 1, 1]),
    ("nats_topology", [3, 3, 4, 0, 3, 4]),
    ("macro", [1, 2, 0, 1, 2, 1, 0, 2]),
]
MIXED = np.array([3, 2, 1, 4, 0, 3], dtype=np.uint8)


def same(ours, theirs, tolerance):
    for name in CURVES:
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=0, atol=tolerance, err_msg=name
        )


@pytest.fixture
def signals():
    return load_data("mnist1d", train=230, valid=130, test=100, device="cuda")


@pytest.fixture
def images():
    data = load_data("digits", device="cuda")
    return replace(data, train=data.train[:330], augmentation=FlipCrop(1))


@pytest.fixture
def exact():
    """Products in float32 proper; TF32 has three digits."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


def trained(data, skeleton, recipe, **how):
    network = initial_network("nats_topology", MIXED, skeleton, 3)
    return Trainer(**how).train(network, data, recipe, seed=3), network


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_captured_step_is_the_step(images, precision):
    """With a last batch that is smaller, and so is not replayed, and one more epoch after it."""
    recipe = replace(get_recipe("nasbench201-12"), epochs=3, batch=64)
    replayed, network = trained(images, IMAGES, recipe, precision=precision)
    eager, twin = trained(images, IMAGES, recipe, precision=precision, capture=False)
    same(replayed, eager, 0)
    for ours, theirs in zip(network.state_dict().values(), twin.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_captured_training_goes_on_from_its_checkpoint(images, tmp_path):
    recipe = replace(get_recipe("nasbench201-12"), epochs=3, batch=64)
    whole, _ = trained(images, IMAGES, recipe)

    class KilledError(Exception):
        pass

    def kill(done, total):
        if done == 2:
            raise KilledError

    how = {"checkpoint": tmp_path / "state", "checkpoint_seconds": 0.0}
    with pytest.raises(KilledError):
        trained(images, IMAGES, recipe, progress=kill, **how)
    again, _ = trained(images, IMAGES, recipe, **how)
    same(again, whole, 0)


@pytest.mark.parametrize(("space", "genes"), NETWORKS)
def test_gradients_are_those_that_the_processor_computes(space, genes):
    """In double precision and with channels last, as networks are trained.

    PyTorch's own padded average pool fails here before its fix of June 2026 (pytorch/pytorch issue 188344).
    """
    network = initial_network(space, np.array(genes, dtype=np.uint8), replace(IMAGES, inputs=3), 3).double()
    inputs = torch.randn(6, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(6)

    def gradients(network, inputs, labels):
        loss = torch.nn.functional.cross_entropy(network(inputs), labels)
        return torch.autograd.grad(loss, list(network.parameters()), allow_unused=True)

    expected = gradients(network, inputs, labels)
    there = copy.deepcopy(network).cuda().to(memory_format=torch.channels_last)
    found = gradients(there, inputs.cuda().contiguous(memory_format=torch.channels_last), labels.cuda())
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-6, atol=1e-9)


@pytest.mark.usefixtures("exact")
def test_folded_networks_follow_their_twins(signals):
    recipe = replace(get_recipe("short"), epochs=1, batch=115)
    together = train_together("nats_topology", ROWS, SIGNALS, signals, recipe, seed=3)
    apart = LearningCurves.concatenate(
        [
            Trainer().train(initial_network("nats_topology", row, SIGNALS, 3), signals, recipe, seed=3)
            for row in ROWS
        ]
    )
    np.testing.assert_allclose(together.train_loss, apart.train_loss, rtol=0, atol=1e-4)
    np.testing.assert_allclose(together.valid_accuracy, apart.valid_accuracy, rtol=0, atol=0.02)


def test_the_same_seed_gives_the_same_bytes(signals):
    recipe = replace(get_recipe("short"), epochs=2)
    one, two = (train_together("nats_topology", ROWS, SIGNALS, signals, recipe, seed=3) for _ in range(2))
    same(one, two, 0)


def test_a_group_too_large_for_the_memory_is_halved(signals):
    """Memory is made small by PyTorch's own limit, so that the error is the real one."""
    recipe, said = replace(get_recipe("short"), epochs=1), []
    expected = train_all("nats_topology", ROWS, SIGNALS, signals, recipe, seed=3, notice=said.append)
    assert not said
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 24 * 2**20) / total)
    try:
        halved = train_all("nats_topology", ROWS, SIGNALS, signals, recipe, seed=3, notice=said.append)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert said[0] == "40 networks do not fit into the GPU's memory; going on with 20 at a time."
    np.testing.assert_allclose(halved.train_loss, expected.train_loss, atol=1e-3)
