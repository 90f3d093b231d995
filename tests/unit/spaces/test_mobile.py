"""ProxylessNAS's space against the authors' description of it and the networks that they published."""

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.spaces.mobile import N_LAYERS, OPERATIONS, STAGES

FIRST_OF_STAGE = (0, 4, 8, 12, 16, 20)
PUBLISHED = {
    "cpu": "36 33 33 33 36 33 33 53 36 - - 33 56 33 33 33 56 53 53 33 56",
    "gpu": "53 - - - 73 - - 33 76 - - 53 56 - 33 53 76 76 76 56 76",
    "mobile": "53 33 - - 73 33 53 53 76 53 53 53 56 53 53 53 76 76 73 73 76",
}
"""Kernel size and expansion of each layer in the authors' networks; a dash where it is left out."""


def text_of(short):
    return "-".join("Zero" if b == "-" else f"{b[0]}x{b[0]}_MBConv{b[1]}" for b in short.split())


MOBILE = text_of(PUBLISHED["mobile"])


@pytest.fixture(scope="module")
def space():
    return get_space("mobile")


def test_size(space):
    """Six kinds of block; one more where the layer may be left out."""
    assert space.size == space.distinct == 6**6 * 7**15
    assert space.n_genes == N_LAYERS == sum(STAGES) == 21
    assert space.key_is_exact


def test_the_first_layer_of_a_stage_is_there(space):
    assert OPERATIONS[-1] == "Zero"
    assert [gene for gene, limit in enumerate(space.cardinalities) if limit == 6] == list(FIRST_OF_STAGE)
    rows = space.sample(np.random.default_rng(0), 2_000)
    assert sorted(np.flatnonzero((rows < 6).all(axis=0))) == list(FIRST_OF_STAGE)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_are_read_and_written(space, name):
    text = text_of(PUBLISHED[name])
    row = space.parse(text)
    assert space.valid(row[None])[0]
    assert space.format(row[None]) == [text]
    assert np.array_equal(space.parse(f" {text.replace('-', ' - ')}\n"), row)


def test_genes_are_the_places_of_the_blocks(space):
    row = space.parse(text_of(" ".join(["33 36 53 -"] * 5 + ["76"])))
    assert row.tolist() == [0, 1, 2, 6] * 5 + [5]
    assert row.dtype == np.uint8


@pytest.mark.parametrize(
    ("given", "wrong", "says"),
    [
        (MOBILE.replace("7x7_MBConv3", "7x7_MBConv4", 1), "7x7_MBConv4", "did you mean 7x7_MBConv"),
        (MOBILE.replace("7x7_MBConv3", "Zero", 1), "Zero-3x3", "layer 5 begins a stage and cannot be Zero"),
        (MOBILE.replace("-3x3_MBConv3", "-  9x9", 1), "9x9", "known:"),
    ],
)
def test_parse_errors_name_the_character(space, given, wrong, says):
    with pytest.raises(ArchitectureError) as caught:
        space.parse(given)
    assert f"character {given.index(wrong) + 1} of" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("given", ["", "Zero", MOBILE + "-Zero", MOBILE[: MOBILE.rindex("-")], "-" * 20])
def test_texts_that_are_no_network_are_refused(space, given):
    with pytest.raises(ArchitectureError):
        space.parse(given)
