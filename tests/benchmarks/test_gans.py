"""Speed of a step of GANs on one thread of this machine's processor, folded and one by one; `make bench`.

No assertion on time. The limit of a step on images, written down before measuring: a generator of two cells
and 16 channels has 5.7 million multiply-adds for every image of 28x28, the discriminator 2.3; 32 images of
each kind make 1.1 billion with the backward passes, 25 ms at the 90 GFLOP/s that convolutions of such widths
reach on a core here. What a group computes besides, all choices of every cell, is a third of it.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name

from nasbench_suite.spaces import get_space
from nasbench_suite.training.gan.adversaries import Adversaries
from nasbench_suite.training.gan.discriminator import Discriminator
from nasbench_suite.training.gan.draws import step_draws
from nasbench_suite.training.gan.generator import Generator
from nasbench_suite.training.gan.recipe import get_gan_recipe

SPACE = "gan_two_cells"
KINDS = {"signals": ((1, 40), "gan-short"), "images": ((1, 28, 28), "gan-images")}
MODELS = 5
AT_ONCE = {"one by one": 0, "1 at once": 1, "5 at once": 5}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def draws_of(recipe, shape):
    drawn = step_draws(recipe, 0, 0, 500)
    return torch.randn(500, *shape), drawn.noise[0].float(), drawn.real[0]


def together(rows, recipe, shape):
    inputs, noise, real = draws_of(recipe, shape)
    group = Adversaries(SPACE, rows, recipe, 0, inputs)
    return lambda: group.step(noise, real)


def one_by_one(rows, recipe, shape):
    """Modules, PyTorch's optimiser; one step of the discriminator, as the recipes have."""
    inputs, noise, real = draws_of(recipe, shape)
    pairs = [(Generator(SPACE, row, recipe, shape), Discriminator(recipe, shape)) for row in rows]
    players = [
        (generator, critic, *(torch.optim.Adam(side.parameters(), 1e-3) for side in (generator, critic)))
        for generator, critic in pairs
    ]

    def step():
        for generator, critic, of_generator, of_critic in players:
            made = generator(noise[0])
            ours, theirs = critic(torch.cat([inputs[real[0]], made.detach()])).split(recipe.batch)
            of_critic.zero_grad()
            (F.relu(1 - ours).mean() + F.relu(1 + theirs).mean()).backward()
            of_critic.step()
            of_generator.zero_grad()
            (-critic(made).mean()).backward()
            of_generator.step()

    return step


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", AT_ONCE)
def test_a_step(benchmark, way, kind):
    shape, recipe = KINDS[kind]
    rows, count = get_space(SPACE).sample(np.random.default_rng(0), MODELS), AT_ONCE[way]
    settings = get_gan_recipe(recipe), shape
    parts = [rows[at : at + count] for at in range(0, MODELS, count)] if count else []
    steps = [together(part, *settings) for part in parts] or [one_by_one(rows, *settings)]
    benchmark.extra_info.update(
        what=f"a step of {MODELS} GANs on {kind}, {way}",
        goal=f"the limit: {25 * MODELS} ms" if kind == "images" else "one by one",
        scale=1e3,
        unit="ms",
    )
    benchmark.pedantic(lambda: [step() for step in steps], rounds=10, warmup_rounds=2)
