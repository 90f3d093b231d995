"""NAS-Bench-Macro's space against the published results: which strings are one network."""

import json
from collections import defaultdict

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, get_space


@pytest.fixture(scope="module")
def space():
    return get_space("macro")


@pytest.fixture(scope="module")
def published(shared_data):
    return json.loads((shared_data / "nas_bench_macro" / "nas-bench-macro_cifar10.json").read_text())


@pytest.fixture(scope="module")
def classes(space, published):
    """The published records of every class, by key."""
    found = defaultdict(list)
    rows = np.stack([space.parse(text) for text in published])
    for key, record in zip(space.key(rows).tolist(), published.values(), strict=True):
        found[key].append((record["params"], record["flops"], *record["test_acc"], record["mean_acc"]))
    return found


def test_the_published_strings_are_the_rows(space, published):
    assert sorted(space.format(space.decode(np.arange(space.n_codes)))) == sorted(published)
    assert len(published) == space.size == 6_561


def test_members_of_a_class_share_every_published_result(classes):
    assert all(len(set(records)) == 1 for records in classes.values())
    assert max(map(len, classes.values())) > 1


def test_different_classes_differ_in_a_published_result(space, classes):
    assert len({records[0] for records in classes.values()}) == len(classes) == space.distinct == 3_969


def same_network(one, other):
    """The rule: stages of 2, 3, 3 layers; after the first layer of a stage the identity leaves no trace."""
    return all(
        one[start] == other[start]
        and one[start + 1 : stop].replace("0", "") == other[start + 1 : stop].replace("0", "")
        for start, stop in ((0, 2), (2, 5), (5, 8))
    )


def test_classes_are_those_of_the_rule(space):
    rng = np.random.default_rng(1)
    rows = space.sample(rng, 3_000)
    others = rows.copy()
    others[:, 2:5] = rng.permuted(others[:, 2:5], axis=1)  # near enough to be isomorphic often
    others[:, 5:8] = rng.permuted(others[:, 5:8], axis=1)
    expected = list(map(same_network, space.format(rows), space.format(others)))
    assert (space.key(rows) == space.key(others)).tolist() == expected
    assert 0.05 < np.mean(expected) < 0.95


def test_the_two_names_of_the_best_network(space):
    one, other = space.parse("22212220"), space.parse("22212202")
    assert space.key(one[None]) == space.key(other[None])
    assert space.format(space.canonical(one[None])) == ["22212202"]


def test_the_representative_is_the_least_of_its_class(space):
    codes = np.arange(space.n_codes)
    representative = space.representative_of_code
    least = np.full(space.n_codes, space.n_codes)
    np.minimum.at(least, representative, codes)
    assert np.array_equal(least[representative], representative)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("02013100", "character 5 of '02013100' is '3'"),
        ("0201a100", "character 5 of '0201a100' is 'a'"),
        ("0201210", "describes 7 layer(s)"),
        ("020121000", "describes 9 layer(s)"),
        ("", "describes 0 layer(s)"),
        ("0201210²", "character 8 of"),
    ],
)
def test_texts_that_are_no_network_are_refused(space, given, says):
    with pytest.raises(ArchitectureError) as caught:
        space.parse(given)
    assert says in str(caught.value)
