"""Accel-NASBench's space against its published networks: their choices and their numbers of parameters."""

import csv
import gzip

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, get_space

INPUTS = (32, 16, 24, 40, 80, 112, 192)
OUTPUTS = (16, 24, 40, 80, 112, 192, 320)
B0 = "e1k3l1s1-e6k3l2s1-e6k5l2s1-e6k3l3s1-e6k5l3s1-e6k5l4s1-e6k3l1s1"


@pytest.fixture(scope="module")
def space():
    return get_space("mnasnet")


@pytest.fixture(scope="module")
def published(shared_data):
    with gzip.open(shared_data / "accel_nasbench" / "imagenet_5138.csv.gz", "rt") as file:
        return list(csv.DictReader(file))


def choices_of(record, block):
    expansion, kernel, layers = (int(record[f"block{block}_{part}"]) for part in "ekl")
    return expansion, kernel, layers, int(record[f"block{block}_se"] == "True")


def text_of(record):
    return "-".join("e{}k{}l{}s{}".format(*choices_of(record, block)) for block in range(7))


def parameters(text):
    """Count the weights of the network on ImageNet, block by block, from its text alone."""
    count = 3 * 32 * 9 + 2 * 32
    for part, n_in, n_out in zip(text.split("-"), INPUTS, OUTPUTS, strict=True):
        expansion, kernel, layers, squeezes = (int(part[place]) for place in (1, 3, 5, 7))
        for _ in range(layers):
            wide, narrow = n_in * expansion, n_in // 4
            if expansion > 1:
                count += n_in * wide + 2 * wide
            count += kernel**2 * wide + 2 * wide
            if squeezes:
                count += 2 * wide * narrow + narrow + wide
            count += wide * n_out + 2 * n_out
            n_in = n_out
    return count + 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000


def test_published_networks_are_read_and_written_back(space, published):
    texts = list(map(text_of, published))
    rows = np.stack([space.parse(text) for text in texts])
    assert len(texts) == 5_138
    assert space.valid(rows).all()
    assert space.format(rows) == texts
    assert len(np.unique(space.key(rows))) == len(set(texts))


def test_published_networks_use_every_value_of_every_gene(space, published):
    rows = np.stack([space.parse(text_of(record)) for record in published])
    used = [np.unique(column).tolist() for column in rows.T]
    assert used == [list(range(limit)) for limit in space.cardinalities]


def test_the_text_says_how_many_parameters_a_network_has(space, published):
    rows = np.stack([space.parse(text_of(record)) for record in published])
    counted = [parameters(text) for text in space.format(rows)]
    assert counted == [round(float(record["params"]) * 1e6) for record in published]


def test_size(space):
    assert space.size == space.distinct == (3 * 2 * 3 * 2) ** 6 * (3 * 2 * 4 * 2)
    assert space.key_is_exact


def test_genes_are_places_of_choices(space):
    row = space.parse(B0)
    assert row.reshape(7, 4).tolist() == [
        [0, 0, 0, 1],
        [2, 0, 1, 1],
        [2, 1, 1, 1],
        [2, 0, 2, 1],
        [2, 1, 2, 1],
        [2, 1, 3, 1],
        [2, 0, 0, 1],
    ]


@pytest.mark.parametrize(
    ("given", "place", "says"),
    [
        (B0.replace("e6k5l2", "e6k7l2"), 22, "block 3 cannot have kernel size 7; write 3 or 5."),
        (B0.replace("e1k3", "e3k3"), 2, "block 1 cannot have expansion 3; write 1, 4 or 6."),
        (B0.replace("l1s1-", "l4s1-"), 6, "block 1 cannot have number of layers 4; write 1, 2 or 3."),
        (B0.replace("l4s1", "l5s1"), 51, "block 6 cannot have number of layers 5; write 1, 2, 3 or 4."),
        (B0.replace("k5l4s1", "k5l4s2"), 53, "block 6 cannot have squeeze-and-excitation 2; write 0 or 1."),
        (B0.replace("k5l4s1", "k5l4"), 46, "block 6 reads 'e6k5l4'"),
    ],
)
def test_parse_errors_name_the_character(space, given, place, says):
    with pytest.raises(ArchitectureError) as caught:
        space.parse(given)
    assert f"character {place} of {given!r}: {says}" in str(caught.value)


@pytest.mark.parametrize("given", ["", "e6k3l1s0", B0 + "-", B0 + "-e6k3l1s1", "-" * 6])
def test_texts_that_are_no_network_are_refused(space, given):
    with pytest.raises(ArchitectureError):
        space.parse(given)
