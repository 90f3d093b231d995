"""What holds for the networks of all spaces: shapes, gradients, refusals."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.training.networks import Skeleton, build_network, network_spaces, official_skeleton

SMALL = Skeleton(inputs=2, classes=7, width=5, depth=2)
each_space = pytest.mark.parametrize("space", network_spaces())
each_style = pytest.mark.parametrize("style", ["official", "light"])
each_dims = pytest.mark.parametrize("dims", [1, 2])


def drawn(space, n, seed=0):
    return get_space(space).sample(np.random.default_rng(seed), n)


def test_the_spaces_with_networks_are_these():
    assert network_spaces() == [
        "darts_cell",
        "macro",
        "mnasnet",
        "mobile",
        "nasbench101",
        "nats_size",
        "nats_topology",
    ]


@each_space
@each_style
@each_dims
@pytest.mark.parametrize("size", [8, 11])
def test_every_input_gets_logits_and_every_weight_that_matters_a_gradient(space, style, dims, size):
    skeleton = replace(SMALL, style=style, dims=dims)
    for genes in drawn(space, 3):
        network = build_network(space, genes, skeleton)
        logits = network(torch.zeros((3, 2, *[size] * dims)))
        assert logits.shape == (3, 7)
        logits.sum().backward()
        assert network.classifier.weight.grad is not None
        assert next(network.stem.parameters()).grad is not None


@each_space
@each_style
def test_light_networks_halve_the_resolution_twice_or_thrice_official_ones_as_published(space, style):
    network = build_network(space, drawn(space, 1)[0], replace(SMALL, style=style, dims=1)).eval()
    sizes = []

    def note(module, given, output):
        sizes.append(output.shape[-1])

    for module in network.modules():
        if isinstance(module, torch.nn.Conv1d):
            module.register_forward_hook(note)
    network(torch.zeros((1, 2, 64)))
    halvings = {"mobile": 5, "mnasnet": 5}.get(space, 2) if style == "official" else 2
    halvings = 3 if space == "macro" else halvings
    assert min(sizes) == 64 // 2**halvings


@each_space
def test_weights_for_signals_and_images_differ_in_the_size_of_kernels_only(space):
    genes = drawn(space, 1)[0]
    lines, images = (
        dict(build_network(space, genes, replace(SMALL, dims=dims)).named_parameters()) for dims in (1, 2)
    )
    assert list(lines) == list(images)
    for name, weight in lines.items():
        assert images[name].shape[: weight.ndim] == weight.shape


@each_space
def test_official_skeletons_build_and_take_the_classes_that_are_asked_for(space):
    skeleton = official_skeleton(space, classes=17)
    with torch.device("meta"):
        network = build_network(space, drawn(space, 1)[0], skeleton)
        assert network(torch.empty((2, 3, 32, 32))).shape == (2, 17)
    own = official_skeleton(space).classes
    assert own == (1000 if space in ("mobile", "mnasnet") else 10)
    assert official_skeleton(space).style == "official"


@each_space
def test_what_is_no_architecture_is_refused(space):
    row = drawn(space, 1)[0]
    with pytest.raises(ArchitectureError):
        build_network(space, np.full_like(row, 99), SMALL)
    with pytest.raises(ArchitectureError, match="shape"):
        build_network(space, row[:-1], SMALL)
    with pytest.raises(ArchitectureError, match="shape"):
        build_network(space, row[None], SMALL)


def test_a_space_without_networks_is_an_error_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean nats_topology"):
        build_network("nats_topolgy", np.zeros(6, np.uint8), SMALL)
    with pytest.raises(UnknownNameError, match="known: darts_cell"):
        official_skeleton("graph")


@each_space
@pytest.mark.parametrize("shape", [(3, 2, 64), (3, 3, 64, 64), (2, 64, 64), (3, 2, 0, 64)])
def test_inputs_of_another_shape_are_refused_in_a_sentence(space, shape):
    network = build_network(space, drawn(space, 1)[0], SMALL)
    with pytest.raises(NasbenchSuiteError, match=r"takes inputs of shape \[n, 2, height, width\].*not \["):
        network(torch.zeros(shape))


@pytest.mark.parametrize("space", ["nats_topology", "nats_size"])
def test_inputs_that_cannot_be_halved_twice_are_refused(space):
    network = build_network(space, drawn(space, 1)[0], replace(SMALL, dims=1, style="light"))
    assert network(torch.zeros((2, 2, 4))).shape == (2, 7)
    with pytest.raises(NasbenchSuiteError, match=r"\[n, 2, length\], at least 4 in each direction"):
        network(torch.zeros((2, 2, 3)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"inputs": 0}, "inputs must be at least 1, not 0"),
        ({"classes": 0}, "classes must be"),
        ({"width": -1}, "width must be"),
        ({"depth": 0}, "depth must be"),
        ({"widths": (3, 0)}, "number of widths must be at least 1, not 0"),
        ({"dims": 3}, "1 .signals. or 2 .images., not 3"),
        ({"style": "heavy"}, "official or light, not 'heavy'"),
        ({"drop_path": 1.0}, r"in \[0, 1\), not 1.0"),
        ({"drop_path": -0.1}, r"in \[0, 1\), not -0.1"),
    ],
)
def test_skeletons_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(NasbenchSuiteError, match=says):
        Skeleton(**wrong)


def test_the_package_does_not_load_torch():
    program = "import sys, nasbench_suite, nasbench_suite.training; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
