"""Signals held against what the package's own reader makes."""

import random
import subprocess
import sys

import mnist1d.data
import numpy as np
import pytest
import torch
from mnist1d.data import get_dataset, get_dataset_args

from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.data import load_data
from nasbench_suite.training.data import mnist1d as ours

DEFAULT_SHA256 = "a93b80731b1058606c41bf2b6e3ad8b9152738fd299ee333e4aa5880dacef9ec"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The published 4,000 and 1,000 signals, made by the package with its own defaults."""
    plain, arrays = random.getstate(), np.random.get_state()  # noqa: NPY002
    path = tmp_path_factory.mktemp("mnist1d") / "data.pkl"
    made = get_dataset(get_dataset_args(), path=str(path), verbose=False, download=False, regenerate=True)
    random.setstate(plain)
    np.random.set_state(arrays)  # noqa: NPY002
    return made


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A data folder in which nothing is kept yet."""
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))


def test_four_thousand_and_a_thousand_are_the_published_data(published):
    data = load_data("mnist1d", train=4000, valid=0, test=1000)
    for indices, part in ((data.train, ""), (data.test, "_test")):
        inputs, labels = data.batch(indices)
        assert inputs.dtype == torch.float32
        np.testing.assert_array_equal(inputs[:, 0].numpy(), published[f"x{part}"].astype(np.float32))
        np.testing.assert_array_equal(labels.numpy(), published[f"y{part}"])
    assert len(data.valid) == 0


def test_default_data_are_these():
    data = load_data("mnist1d")
    assert (len(data.train), len(data.valid), len(data.test)) == (4000, 5000, 5000)
    assert data.shape == (1, 40)
    assert (data.dims, data.classes, data.augmentation) == (1, 10, None)
    assert torch.equal(torch.cat([data.train, data.valid, data.test]), torch.arange(14000))
    assert torch.bincount(data.labels).tolist() == [1400] * 10
    assert data.provenance.endswith(DEFAULT_SHA256)


def test_any_counts_and_seeds(fresh):
    data = load_data("mnist1d", train=13, valid=4, test=6, seed=7)
    assert (len(data.train), len(data.valid), len(data.test), len(data.inputs)) == (13, 4, 6, 23)
    again = load_data("mnist1d", train=13, valid=4, test=6, seed=7)
    assert torch.equal(data.inputs, again.inputs)
    assert data.provenance == again.provenance
    other = load_data("mnist1d", train=13, valid=4, test=6, seed=8)
    assert not torch.equal(data.inputs, other.inputs)


_GENERATORS = """
import random, sys
import numpy as np
import torch
from nasbench_suite.training.data import load_data

def drawn():
    return random.random(), np.random.random(), float(torch.rand(1))

def seed():
    random.seed(3), np.random.seed(3), torch.manual_seed(3)

seed()
expected = drawn()
seed()
load_data(sys.argv[1], train=10, valid=0, test=0)
assert drawn() == expected
"""


@pytest.mark.parametrize("name", ["mnist1d", "digits"])
def test_global_generators_stay_as_they_are(fresh, name):
    """In a process of its own, since packages may draw when they are imported."""
    subprocess.run([sys.executable, "-c", _GENERATORS, name], check=True)


def test_the_second_time_nothing_is_generated(fresh, monkeypatch):
    first = load_data("mnist1d", train=20, valid=5, test=5)
    monkeypatch.setattr(mnist1d.data, "make_dataset", None)
    second = load_data("mnist1d", train=5, valid=20, test=5)
    assert torch.equal(first.inputs, second.inputs)
    assert torch.equal(first.labels, second.labels)
    assert (len(second.train), len(second.valid)) == (5, 20)
    second.inputs.zero_()  # it owns its memory
    for other in ({"train": 30, "valid": 5, "test": 5}, {"train": 20, "valid": 5, "test": 5, "seed": 1}):
        with pytest.raises(TypeError):  # would be generated
            load_data("mnist1d", **other)


def test_what_another_version_generated_is_not_taken(fresh, monkeypatch):
    load_data("mnist1d", train=20, valid=0, test=0)
    version = ours.version
    monkeypatch.setattr(ours, "version", lambda package: version(package) + ".1" * (package == "scipy"))
    load_data("mnist1d", train=20, valid=0, test=0)
    assert len(list((data_root() / "cache").iterdir())) == 2


@pytest.mark.parametrize("counts", [(-1, 5, 5), (0, 0, 0), (10**8, 0, 0)])
def test_impossible_counts_are_refused(counts):
    with pytest.raises(NasbenchSuiteError, match="mnist1d has no"):
        load_data("mnist1d", train=counts[0], valid=counts[1], test=counts[2])


def test_a_seed_that_the_generator_does_not_take_is_refused():
    with pytest.raises(NasbenchSuiteError, match="no seed -1"):
        load_data("mnist1d", seed=-1)
