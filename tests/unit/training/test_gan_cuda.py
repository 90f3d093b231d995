"""GANs on a GPU: the processor's numbers, and graphs of whole steps that change nothing."""

import numpy as np
import pytest
import torch

from nasbench_suite import get_space
from nasbench_suite.training.gan.adversaries import Adversaries
from nasbench_suite.training.gan.captured import CapturedStep
from nasbench_suite.training.gan.draws import step_draws
from nasbench_suite.training.gan.recipe import GanRecipe

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")

RECIPE = GanRecipe(
    "small", "made up", steps=10, batch=6, channels=4, latent=3, critic_channels=3, average=0.8, checkpoints=2
)
ROWS = get_space("gan").sample(np.random.default_rng(0), 10)
SHAPES = {"signals": (1, 40), "images": (3, 16, 16)}
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def adversaries(shape, device, dtype=torch.float64):
    inputs = torch.from_numpy(np.random.default_rng(1).normal(size=(50, *shape)))
    return Adversaries("gan", ROWS, RECIPE, 3, inputs.to(device, dtype))


@each_shape
def test_steps_are_those_of_the_processor(shape):
    here, there = adversaries(shape, "cpu"), adversaries(shape, "cuda")
    draws = step_draws(RECIPE, 3, 0, 50)
    for step in range(4):
        for group in (here, there):
            noise, real = draws.noise[step].to(group.weights), draws.real[step].to(group.weights.device)
            group.step(noise, real)
    for ours, theirs in zip(there.state, here.state, strict=True):
        torch.testing.assert_close(ours.cpu(), theirs, rtol=1e-6, atol=1e-8)


@each_shape
def test_a_captured_step_is_the_step_to_the_last_bit(shape):
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        eager, replayed = (adversaries(shape, "cuda", torch.float32) for _ in range(2))
        draws = step_draws(RECIPE, 3, 0, 50).to(torch.device("cuda"), torch.float32)
        captured = CapturedStep(replayed, draws.noise[0], draws.real[0])
        for step in range(5):
            eager.step(draws.noise[step], draws.real[step])
            captured(draws.noise[step], draws.real[step])
        for ours, theirs in zip(replayed.state, eager.state, strict=True):
            assert torch.equal(ours, theirs)
