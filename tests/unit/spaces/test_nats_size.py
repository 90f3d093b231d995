"""NATS-Bench's size space against the published strings and their official order."""

import csv
import gzip

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import ArchitectureError, get_space


@pytest.fixture(scope="module")
def space():
    return get_space("nats_size")


@pytest.fixture(scope="module")
def published(shared_data):
    with gzip.open(shared_data / "nats_size" / "valid90.csv.gz", "rt") as file:
        return {int(row["index"]): row["arch"] for row in csv.DictReader(file)}


def test_index_order_is_the_published_one(space, published):
    rows = space.decode(np.arange(space.n_codes))
    official = dict(zip(space.index(rows).tolist(), space.format(rows), strict=True))
    assert len(published) == 32_768
    assert official == published


def test_published_strings_and_indices_are_read(space, published):
    by_text = np.stack([space.parse(published[index]) for index in range(32_768)])
    by_index = np.stack([space.parse(str(index)) for index in range(32_768)])
    assert np.array_equal(by_text, by_index)
    assert np.array_equal(space.index(by_text), np.arange(32_768))


def test_well_known_index(space):
    assert space.format(space.parse("11")[None]) == ["8:8:8:16:32"]
    assert space.index(space.parse("8:8:8:16:32")[None]).tolist() == [11]


def test_networks_are_all_different(space):
    assert space.size == space.distinct == 8**5


def test_mutation_draws_a_layer_then_any_of_eight_channels(space):
    parent = space.parse("8:24:64:32:48")[None]
    mutants = space.mutate(np.random.default_rng(1), parent.repeat(80_000, axis=0))
    changed = mutants != parent
    kept = (~changed.any(axis=1)).sum()
    steps = [np.bincount(mutants[changed[:, layer], layer], minlength=8) for layer in range(5)]
    others = np.concatenate([np.delete(count, parent[0, layer]) for layer, count in enumerate(steps)])
    assert (changed.sum(axis=1) <= 1).all()
    assert stats.chisquare(np.r_[kept, others], np.r_[1 / 8, np.full(35, 1 / 40)] * 80_000).pvalue > 1e-3


@pytest.mark.parametrize(
    ("given", "place", "says"),
    [
        ("8:8:9:8:8", 5, "a layer cannot have '9' channels"),
        ("8:8:8:8:72", 9, "a layer cannot have '72' channels"),
        ("08:8:8:8:8", 1, "a layer cannot have '08' channels"),
        (":8:8:8:8", 1, "a layer cannot have '' channels"),
    ],
)
def test_parse_errors_name_the_character(space, given, place, says):
    with pytest.raises(ArchitectureError) as caught:
        space.parse(given)
    assert f"character {place} of {given!r}: {says}" in str(caught.value)


@pytest.mark.parametrize("given", ["", "8:8:8:8", "8:8:8:8:8:8", "-1", "1.5", "²", "1" * 5000])
def test_texts_that_are_no_network_are_refused(space, given):
    with pytest.raises(ArchitectureError):
        space.parse(given)


def test_an_index_beyond_the_space_is_refused(space):
    with pytest.raises(ArchitectureError, match="0 to 32767"):
        space.parse("32768")
