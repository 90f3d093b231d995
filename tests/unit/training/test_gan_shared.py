"""A generator whose weights all architectures share: what a step trains, and what the first cells make."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # its usual name
from gan_tasks import tiny_gan_setting

from nasbench_suite import get_space
from nasbench_suite.training.gan.adversaries import Adversaries
from nasbench_suite.training.gan.folded import FoldedGenerator
from nasbench_suite.training.gan.generator import Generator
from nasbench_suite.training.gan.layout import generator_layout
from nasbench_suite.training.gan.shared import SharedGan, coarse
from nasbench_suite.training.step_memory import held_bytes

SPACE = get_space("gan_two_cells")
ROW = SPACE.parse("pre-batch-nearest-shortcut|post-instance-linear-plain-1")
PLAIN = SPACE.parse("post-none-nearest-plain|post-none-nearest-plain-0")


@pytest.fixture
def setting():
    return tiny_gan_setting()


def draws(setting, seed=0):
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 16, setting.recipe.latent, generator=generator)
    return noise, torch.randint(64, (1, 16), generator=generator)


def parts(gan):
    layout = generator_layout(2, gan.setting.recipe, gan.setting.data.shape)
    return {name: part.clone() for name, part in layout.views(gan._adversaries.weights).items()}


@pytest.mark.parametrize("shape", [(1, 40), (2, 8, 16)], ids=["signals", "images"])
@pytest.mark.parametrize("space", ["gan", "gan_two_cells"])
def test_what_the_first_cells_make_is_coarse(space, shape):
    known, recipe = get_space(space), tiny_gan_setting(space).recipe
    row = known.sample(np.random.default_rng(3), 1)
    network = Generator(space, row[0], recipe, shape).double()
    layout = generator_layout(known.n_cells, recipe, shape)
    weights = layout.initial(torch.rand(1, layout.size, dtype=torch.float64))
    layout.write(weights[0], network)
    noise = torch.randn(7, recipe.latent, dtype=torch.float64)
    for depth in range(1, known.n_cells + 1):
        x = network.bottom(noise).unflatten(1, (network.channels, *network.size))
        inner = []
        for cell in network.cells[:depth]:
            handed_on, x = cell(x, inner)
            inner.append(handed_on)
        expected = network.last(F.relu(network.last_norm(x)))
        expected = expected if len(shape) == 2 else expected.tanh()
        times = 1 << (known.n_cells - depth)
        assert expected.shape == (7, shape[0], *(length // times for length in shape[1:]))
        for axis in range(2, expected.ndim):
            expected = expected.repeat_interleave(times, dim=axis)
        how = (recipe, shape, torch.device("cpu"), torch.float64, depth)
        folded = FoldedGenerator(space, row, *how)
        assert torch.allclose(folded.unfolded(folded(weights, noise), 7)[0], expected, atol=1e-10)


@pytest.mark.parametrize("halvings", [0, 1, 2])
def test_coarse_signals_and_images_are_means(halvings):
    run = 1 << halvings
    signals = torch.randn(5, 1, 40, dtype=torch.float64)
    means = signals.view(5, 1, -1, run).mean(3).repeat_interleave(run, dim=2)
    assert torch.allclose(coarse(signals, halvings), means)
    images = torch.randn(5, 3, 8, 16, dtype=torch.float64)
    means = images.view(5, 3, 8 // run, run, 16 // run, run).mean((3, 5))
    means = means.repeat_interleave(run, dim=2).repeat_interleave(run, dim=3)
    assert torch.allclose(coarse(images, halvings), means)


def test_a_step_trains_what_its_architecture_has_and_nothing_else(setting):
    gan = SharedGan(setting, seed=1)
    before = parts(gan)
    gan.step(PLAIN, 2, *draws(setting))
    moved = {name for name, part in parts(gan).items() if not torch.equal(part, before[name])}
    convs = {f"cells.{c}.conv{n}.{kind}" for c in (0, 1) for n in (1, 2) for kind in ("weight", "bias")}
    ends = {f"{name}.{kind}" for name in ("bottom", "last", "last_norm") for kind in ("weight", "bias")}
    assert moved == convs | ends


def test_a_cell_that_is_not_there_yet_keeps_its_weights(setting):
    gan = SharedGan(setting, seed=1)
    before = parts(gan)
    for seed in range(3):
        gan.step(ROW, 1, *draws(setting, seed))
    after = parts(gan)
    own = [name for name in before if not torch.equal(before[name], after[name])]
    assert any(name.startswith("cells.0.") for name in own)
    assert not any(name.startswith("cells.1.") for name in own)


def test_with_all_cells_a_step_is_that_of_a_single_generator(setting):
    gan = SharedGan(setting, seed=5)
    single = Adversaries("gan_two_cells", PLAIN[None], gan._adversaries.recipe, 5, setting.inputs("train"))
    single._own.weights.copy_(gan._adversaries.weights)
    single._critic.weights.copy_(gan._adversaries.critic_weights)
    for own, other in zip(single.discriminator.left, gan._adversaries.discriminator.left, strict=True):
        own.copy_(other)
    for own, other in zip(single.discriminator.right, gan._adversaries.discriminator.right, strict=True):
        own.copy_(other)
    for seed in range(3):
        single.losses.zero_()
        losses = gan.step(PLAIN, 2, *draws(setting, seed))
        single.step(*draws(setting, seed))
        assert losses == pytest.approx(single.losses[:, 0].tolist(), rel=1e-5)
    assert torch.allclose(single.weights, gan._adversaries.weights, atol=1e-5)


def test_real_signals_are_as_coarse_as_generated_ones(setting):
    gan = SharedGan(setting, seed=1)
    gan.step(ROW, 1, *draws(setting))
    assert torch.equal(gan._adversaries.inputs, coarse(setting.inputs("train"), 1))
    gan.step(ROW, 2, *draws(setting))
    assert torch.equal(gan._adversaries.inputs, setting.inputs("train"))


def test_judgements_are_of_as_many_signals_as_are_asked_for(setting):
    gan = SharedGan(setting, seed=1)
    few, many = (gan.judge(ROW, 2, n) for n in (20, 60))
    assert few.inception != many.inception
    assert torch.equal(gan.judge(ROW, 2, 20).inception, few.inception)
    assert 1 <= float(few.inception) <= 10


def test_bytes_of_a_step_are_weights_gradients_state_and_what_is_kept(setting):
    weight = torch.ones(10, requires_grad=True)
    state = torch.zeros(10)
    kept = torch.arange(10.0)
    # Weight, gradient and state 40 bytes each, and the factor that the product keeps.
    assert held_bytes(lambda: (weight * kept).sum(), [weight], [state]) == 4 * 40
    gan = SharedGan(setting, seed=1)
    assert gan.step_bytes(ROW) > 3 * 4 * gan._adversaries.weights.numel()
