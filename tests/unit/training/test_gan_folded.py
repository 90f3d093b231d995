"""GANs trained together follow those trained alone: plain modules, PyTorch's gradients and optimiser."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.training.gan.adversaries import Adversaries
from nasbench_suite.training.gan.discriminator import Discriminator
from nasbench_suite.training.gan.draws import CHUNK, step_draws, uniform_rows
from nasbench_suite.training.gan.folded import FoldedGenerator, fold_of
from nasbench_suite.training.gan.generator import Generator
from nasbench_suite.training.gan.layout import generator_layout
from nasbench_suite.training.gan.recipe import GanRecipe

RECIPE = GanRecipe(
    *("small", "made up"),
    steps=10,
    critic_steps=2,
    batch=6,
    channels=4,
    latent=3,
    critic_channels=3,
    generator_rate=3e-3,
    critic_rate=5e-3,
    betas=(0.3, 0.9),
    average=0.8,
    checkpoints=2,
)
SIGNALS, IMAGES = (1, 40), (2, 8, 16)
each_space = pytest.mark.parametrize("space", ["gan_two_cells", "gan"])
each_shape = pytest.mark.parametrize("shape", [SIGNALS, IMAGES], ids=["signals", "images"])


def rows_of(space, n=24):
    """Random architectures among which every value of every gene occurs."""
    rows = get_space(space).sample(np.random.default_rng(0), n)
    for gene, values in enumerate(get_space(space).cardinalities):
        assert set(rows[:, gene].tolist()) == set(range(values))
    return rows


def inputs_of(shape, n=50):
    return torch.from_numpy(np.random.default_rng(1).normal(size=(n, *shape)))


def as_alone(group, made, n):
    """What folded generators make as that of the modules, `[models, n, channels, *size]`."""
    return group.unfolded(made.detach(), n)


def vectors(critic):
    """The buffers of PyTorch's spectral normalisation, layer by layer."""
    layers = [*critic.convs, critic.score]
    return [layer.parametrizations.weight[0] for layer in layers]


def alone(space, group, model, genes, shape):
    """One model of a group as modules with the same weights and singular vectors."""
    generator = Generator(space, genes, RECIPE, shape).double()
    critic = Discriminator(RECIPE, shape).double()
    group.generator.layout.write(group.weights[model], generator)
    group.discriminator.layout.write(group.critic_weights[model], critic)
    sides = zip(vectors(critic), group.discriminator.left, group.discriminator.right, strict=True)
    for norm, left, right in sides:
        norm._u.copy_(left[model])
        taps_first = norm._u.numel() > 1 and shape == SIGNALS
        norm._v.copy_(right[model].view(4, -1).T.flatten() if taps_first else right[model])
    return generator, critic


def play(generator, critic, shown, noise, real, steps):
    """The published way: hinge loss, Adam on both sides, rates that fall linearly, an average of weights."""
    adam = [
        torch.optim.Adam(side.parameters(), lr=1.0, betas=RECIPE.betas, eps=RECIPE.epsilon)
        for side in (generator, critic)
    ]
    average = nn.utils.parameters_to_vector(generator.parameters()).detach().clone()
    losses = torch.zeros(2, dtype=torch.float64)
    for step in range(steps):
        for place in range(RECIPE.critic_steps):
            done = (step * RECIPE.critic_steps + place) / (RECIPE.steps * RECIPE.critic_steps)
            critic.train()
            made = generator(noise[step, place])
            scores = critic(torch.cat([shown[real[step, place]], made.detach()]))
            ours, theirs = scores.split(RECIPE.batch)
            loss = nn.functional.relu(1 - ours).mean() + nn.functional.relu(1 + theirs).mean()
            losses[1] += loss.detach() / RECIPE.critic_steps
            descend(adam[1], loss, RECIPE.critic_rate * (1 - done))
        critic.eval()
        loss = -critic(made).mean()
        losses[0] += loss.detach()
        descend(adam[0], loss, RECIPE.generator_rate * (1 - step / RECIPE.steps))
        average.lerp_(nn.utils.parameters_to_vector(generator.parameters()).detach(), 1 - RECIPE.average)
    return average, losses


def descend(optimizer, loss, rate):
    optimizer.param_groups[0]["lr"] = rate
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@pytest.mark.parametrize("size", [1, 3, 24])
@each_shape
@each_space
def test_generators_and_their_gradients_are_those_of_the_modules(space, shape, size):
    """In groups where some take what others do not, and where all are alike."""
    genes = rows_of(space)
    torch.manual_seed(0)
    noise, weighing = torch.randn(5, 3, dtype=torch.float64), torch.randn(24, 5, *shape, dtype=torch.float64)
    for start in range(0, 24, size):
        rows = slice(start, start + size)
        folded = FoldedGenerator(space, genes[rows], RECIPE, shape, torch.device("cpu"), torch.float64)
        weights = torch.randn(size, folded.layout.size, dtype=torch.float64, requires_grad=True)
        made = folded(weights, noise)
        (grad,) = torch.autograd.grad((made * fold_of(shape)(5).folded(weighing[rows])).sum(), weights)
        views, parts = folded.layout.views(grad), {part.name: part for part in folded.layout.parts}
        for model, row in enumerate(genes[rows]):
            module = Generator(space, row, RECIPE, shape).double()
            folded.layout.write(weights[model].detach(), module)
            expected = module(noise)
            assert expected.shape == (5, *shape)
            assert torch.allclose(as_alone(folded, made, 5)[model], expected, rtol=1e-9, atol=1e-9)
            (expected * weighing[rows][model]).sum().backward()
            has = dict(module.named_parameters())
            for name, part in parts.items():
                own = part.as_module(views[name][model])
                theirs = has[name].grad if name in has else torch.zeros_like(own)
                assert torch.allclose(own, theirs, rtol=1e-8, atol=1e-8), name


def test_a_generator_is_what_it_is_by_hand():
    text = "pre-batch-nearest-shortcut|post-instance-deconv-plain-1|pre-none-linear-shortcut-01"
    torch.manual_seed(1)
    module = Generator("gan", get_space("gan").parse(text), RECIPE, SIGNALS).double()
    own, noise = dict(module.named_parameters()), torch.randn(6, 3, dtype=torch.float64)
    for name in ("cells.0.norm1", "cells.0.norm2", "last_norm"):
        nn.init.normal_(own[f"{name}.weight"], 1.0)
    assert sum(part.numel() for part in own.values()) == sum(
        (20 * 4, 16, 52, 52, 20, 68, 52, 52, 20, 52, 52, 20, 20, 8, 13)
    )

    def conv(x, name, padding=1):
        return nn.functional.conv1d(x, own[f"{name}.weight"], own[f"{name}.bias"], padding=padding)

    def norm(x, dims, name=None):
        y = (x - x.mean(dims, keepdim=True)) / (x.var(dims, correction=0, keepdim=True) + 1e-5).sqrt()
        return y if name is None else y * own[f"{name}.weight"][:, None] + own[f"{name}.bias"][:, None]

    def twice(x):
        return x.repeat_interleave(2, 2)

    def twice_linear(x):
        left, right = torch.cat((x[..., :1], x[..., :-1]), 2), torch.cat((x[..., 1:], x[..., -1:]), 2)
        return torch.stack(((3 * x + left) / 4, (3 * x + right) / 4), 3).flatten(2)

    relu, batch = nn.functional.relu, (0, 2)
    x = (noise @ own["bottom.weight"].T + own["bottom.bias"]).view(6, 4, 5)
    first = conv(twice(relu(norm(x, batch, "cells.0.norm1"))), "cells.0.conv1")
    x = conv(relu(norm(first, batch, "cells.0.norm2")), "cells.0.conv2") + conv(
        twice(x), "cells.0.shortcut", padding=0
    )
    kernel, bias = own["cells.1.deconv.weight"], own["cells.1.deconv.bias"]
    longer = nn.functional.conv_transpose1d(x, kernel, bias, stride=2, padding=1)
    second = norm(relu(conv(longer, "cells.1.conv1")), 2)
    x = norm(relu(conv(second + conv(twice(first), "cells.1.skips.0", padding=0), "cells.1.conv2")), 2)
    third = conv(twice_linear(relu(x)), "cells.2.conv1") + conv(twice(second), "cells.2.skips.1", padding=0)
    x = conv(relu(third), "cells.2.conv2") + conv(twice_linear(x), "cells.2.shortcut", padding=0)
    assert torch.allclose(module(noise), conv(relu(norm(x, batch, "last_norm")), "last"), atol=1e-10)


def test_a_generator_of_images_is_what_it_is_by_hand():
    text = "post-batch-linear-shortcut|pre-instance-deconv-shortcut-1"
    torch.manual_seed(1)
    module = Generator("gan_two_cells", get_space("gan_two_cells").parse(text), RECIPE, IMAGES).double()
    own, noise = dict(module.named_parameters()), torch.randn(6, 3, dtype=torch.float64)
    for name in ("cells.0.norm1", "cells.0.norm2", "last_norm"):
        nn.init.normal_(own[f"{name}.weight"], 1.0)

    def conv(x, name, padding=1):
        return nn.functional.conv2d(x, own[f"{name}.weight"], own[f"{name}.bias"], padding=padding)

    def norm(x, dims, name=None):
        y = (x - x.mean(dims, keepdim=True)) / (x.var(dims, correction=0, keepdim=True) + 1e-5).sqrt()
        if name is None:
            return y
        return y * own[f"{name}.weight"][:, None, None] + own[f"{name}.bias"][:, None, None]

    def twice(x):
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    def twice_linear(x):
        for axis in (2, 3):
            end = x.shape[axis] - 1
            before = torch.cat((x.narrow(axis, 0, 1), x.narrow(axis, 0, end)), axis)
            after = torch.cat((x.narrow(axis, 1, end), x.narrow(axis, end, 1)), axis)
            x = torch.stack(((3 * x + before) / 4, (3 * x + after) / 4), axis + 1).flatten(axis, axis + 1)
        return x

    relu, batch, places = nn.functional.relu, (0, 2, 3), (2, 3)
    x = (noise @ own["bottom.weight"].T + own["bottom.bias"]).view(6, 4, 2, 4)
    first = norm(relu(conv(twice_linear(x), "cells.0.conv1")), batch, "cells.0.norm1")
    x = norm(relu(conv(first, "cells.0.conv2")), batch, "cells.0.norm2") + conv(
        twice_linear(x), "cells.0.shortcut", padding=0
    )
    kernel, bias = own["cells.1.deconv.weight"], own["cells.1.deconv.bias"]
    larger = nn.functional.conv_transpose2d(relu(norm(x, places)), kernel, bias, stride=2, padding=1)
    second = conv(larger, "cells.1.conv1") + conv(twice(first), "cells.1.skips.0", padding=0)
    x = conv(relu(norm(second, places)), "cells.1.conv2") + conv(twice(x), "cells.1.shortcut", padding=0)
    expected = conv(relu(norm(x, batch, "last_norm")), "last").tanh()
    assert expected.shape == (6, *IMAGES)
    assert torch.allclose(module(noise), expected, atol=1e-10)


@each_shape
@each_space
def test_a_group_in_training_follows_each_trained_alone(space, shape):
    genes, shown = rows_of(space)[:10], inputs_of(shape)
    group = Adversaries(space, genes, RECIPE, 3, shown)
    twins = [alone(space, group, model, row, shape) for model, row in enumerate(genes)]
    start = group.weights.clone()
    draws = step_draws(RECIPE, 3, 0, len(shown))
    for step in range(4):
        group.step(draws.noise[step], draws.real[step])
    look, moved = torch.randn(7, 3, dtype=torch.float64), (group.weights - start).abs().amax(1)
    assert (moved > 3e-3).all()
    made, judged = (
        as_alone(group.generator, group.generator(rows, look), 7)
        for rows in (group.weights, group.judged_weights)
    )
    for model, (generator, critic) in enumerate(twins):
        average, losses = play(generator, critic, shown, draws.noise, draws.real, 4)
        assert torch.allclose(made[model], generator(look), atol=1e-7)
        nn.utils.vector_to_parameters(average, generator.parameters())
        assert torch.allclose(judged[model], generator(look), atol=1e-7)
        assert torch.allclose(group.losses[:, model], losses, atol=1e-7)
        assert not torch.allclose(made[model], judged[model], atol=1e-5)


def test_a_model_that_breaks_leaves_the_others_alone():
    genes, shown = rows_of("gan_two_cells")[:6], inputs_of(SIGNALS)
    draws = step_draws(RECIPE, 0, 0, len(shown))
    groups = [Adversaries("gan_two_cells", genes, RECIPE, 0, shown) for _ in range(2)]
    groups[0].weights[2] = torch.inf
    for group in groups:
        group.step(draws.noise[0], draws.real[0])
    assert groups[0].finite().tolist() == [True, True, False, True, True, True]
    groups[0].drop(~groups[0].finite())
    for group in groups:
        group.step(draws.noise[1], draws.real[1])
    assert (groups[0].weights[2] == 0).all()
    others = [0, 1, 3, 4, 5]
    assert torch.equal(groups[0].weights[others], groups[1].weights[others])
    assert groups[1].finite().all()


def test_initial_weights_depend_on_seed_and_architecture_alone():
    genes = rows_of("gan_two_cells")
    rows = uniform_rows("gan_two_cells", genes, 5, 30)
    assert torch.equal(uniform_rows("gan_two_cells", genes[3:4], 5, 30)[0], rows[3])
    assert len({tuple(row.tolist()) for row in rows}) == len({tuple(row) for row in genes.tolist()})
    assert not torch.equal(uniform_rows("gan_two_cells", genes, 6, 30), rows)


@pytest.mark.parametrize(
    ("shape", "fans"),
    [
        (SIGNALS, {"conv1": 24, "deconv": 32, "shortcut": 8}),
        (IMAGES, {"conv1": 72, "deconv": 128, "shortcut": 8}),
    ],
    ids=["signals", "images"],
)
def test_initial_weights_are_those_of_glorot(shape, fans):
    layout = generator_layout(2, RECIPE, shape)
    row = layout.initial(torch.ones(1, layout.size, dtype=torch.float64))
    own = layout.views(row)
    for name, both in fans.items():
        assert own[f"cells.0.{name}.weight"].unique().tolist() == pytest.approx([(6 / both) ** 0.5])
        assert own[f"cells.0.{name}.bias"].abs().max() == 0
    assert own["cells.1.norm2.weight"].unique().tolist() == [1.0]
    low = layout.views(layout.initial(torch.zeros(1, layout.size, dtype=torch.float64)))
    assert torch.equal(low["last.weight"], -own["last.weight"])


def test_draws_depend_on_seed_and_chunk():
    first, again = (step_draws(RECIPE, 1, 0, 50) for _ in range(2))
    assert torch.equal(first.noise, again.noise)
    assert torch.equal(first.real, again.real)
    assert first.noise.shape == (CHUNK, 2, 6, 3)
    assert (int(first.real.min()), int(first.real.max())) == (0, 49)
    for other in (step_draws(RECIPE, 2, 0, 50), step_draws(RECIPE, 1, 1, 50)):
        assert not torch.equal(first.noise, other.noise)
        assert not torch.equal(first.real, other.real)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"steps": 0}, "steps must be above 0, not 0"),
        ({"generator_rate": float("nan")}, "generator_rate must be above 0, not nan"),
        ({"average": 1.0}, r"average must be in \[0, 1\), not 1.0"),
        ({"betas": (0.0, 1.0)}, r"betas must be in \[0, 1\), not 1.0"),
        ({"checkpoints": 3}, "steps must be a multiple of its checkpoints, not 10 of 3"),
        ({"judged_batch": 300}, "judged must be a multiple of its judged_batch, not 5000 of 300"),
    ],
)
def test_a_wrong_recipe_is_refused(wrong, says):
    with pytest.raises(NasbenchSuiteError, match=says):
        replace(RECIPE, **wrong)


def test_other_spaces_are_refused():
    with pytest.raises(ArchitectureError, match="architectures of space 'macro' are no generators"):
        Generator("macro", np.zeros(8, np.uint8), RECIPE, SIGNALS)
    with pytest.raises(UnknownNameError, match="no search space 'gan_three'"):
        FoldedGenerator(
            *("gan_three", np.zeros((1, 9), np.uint8), RECIPE, SIGNALS, torch.device("cpu"), torch.float64)
        )
    with pytest.raises(ArchitectureError, match="gene 0"):
        Generator("gan_two_cells", np.full(9, 7, np.uint8), RECIPE, SIGNALS)


def test_a_size_that_cannot_be_halved_as_often_is_refused():
    for make in (Generator, FoldedGenerator):
        genes = np.zeros((1, 15) if make is FoldedGenerator else 15, np.uint8)
        rest = (torch.device("cpu"), torch.float64) if make is FoldedGenerator else ()
        with pytest.raises(NasbenchSuiteError, match="generators of 3 cells cannot make 28x28"):
            make("gan", genes, RECIPE, (1, 28, 28), *rest)
