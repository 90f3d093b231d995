"""Digits held against scikit-learn's own loader."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.data import load_data


def test_images_and_labels_are_those_of_scikit_learn():
    data, official = load_data("digits"), load_digits()
    np.testing.assert_array_equal(data.inputs[:, 0].numpy(), official.images)
    np.testing.assert_array_equal(data.labels.numpy(), official.target)
    assert data.inputs.dtype == torch.uint8
    assert (data.shape, data.dims, data.classes) == ((1, 8, 8), 2, 10)


def test_parts_are_disjoint_and_normalised_by_what_trains():
    data = load_data("digits")
    assert (len(data.train), len(data.valid), len(data.test)) == (1000, 397, 400)
    assert len(torch.cat([data.train, data.valid, data.test]).unique()) == 1797
    inputs, _ = data.batch(data.train)
    assert abs(float(inputs.mean())) < 1e-4
    assert float(inputs.std(correction=0)) == pytest.approx(1.0, abs=1e-4)
    assert abs(float(data.batch(data.test)[0].mean())) > 1e-4


def test_every_count_that_fits_is_dealt_out():
    data = load_data("digits", train=1500, valid=100, test=197)
    assert len(torch.cat([data.train, data.valid, data.test]).unique()) == 1797
    assert torch.equal(data.train[:1000], load_data("digits").train)
    assert not torch.equal(data.train, load_data("digits", train=1500, valid=100, test=197, seed=1).train)


def test_more_than_there_are_is_refused():
    with pytest.raises(NasbenchSuiteError, match="digits has 1797 inputs"):
        load_data("digits", train=1500)
    with pytest.raises(NasbenchSuiteError, match="ask for less"):
        load_data("digits", valid=-1)
