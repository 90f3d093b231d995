"""What all data sets share: batches, devices, names and errors."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from nasbench_suite.errors import NasbenchSuiteError, UnknownNameError
from nasbench_suite.training.data import FlipCrop, data_names, load_data


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def test_a_batch_is_normalised_channel_by_channel(digits):
    coloured = replace(
        digits, inputs=digits.inputs.repeat(1, 2, 1, 1), mean=(1.0, 2.0), std=(4.0, 5.0), augmentation=None
    )
    inputs, labels = coloured.batch(torch.tensor([5, 3]))
    assert inputs.dtype == torch.float32
    for row, index in enumerate((5, 3)):
        image = digits.inputs[index, 0].float()
        torch.testing.assert_close(inputs[row, 0], (image - 1) / 4)
        torch.testing.assert_close(inputs[row, 1], (image - 2) / 5)
    assert labels.tolist() == digits.labels[[5, 3]].tolist()
    assert labels.dtype == torch.int64


def test_inputs_stay_as_they_were(digits):
    before = digits.inputs.clone()
    digits.batch(digits.train)
    assert torch.equal(digits.inputs, before)
    signals = load_data("mnist1d", train=20, valid=0, test=0)
    inputs, _ = signals.batch(signals.train)
    inputs.zero_()
    assert float(signals.inputs.abs().sum()) > 0


def test_only_training_batches_are_augmented(digits):
    augmented = replace(digits, augmentation=FlipCrop(1))
    plain, _ = augmented.batch(digits.train)
    assert torch.equal(plain, digits.batch(digits.train)[0])
    changed, _ = augmented.batch(digits.train, torch.Generator().manual_seed(0), augment=True)
    assert not torch.equal(plain, changed)
    unchanged, _ = digits.batch(digits.train, augment=True)
    assert torch.equal(plain, unchanged)
    with pytest.raises(ValueError, match="needs a generator"):
        augmented.batch(digits.train, augment=True)


def test_everything_moves_to_the_device(digits):
    elsewhere = digits.to("meta")
    parts = (elsewhere.inputs, elsewhere.labels, elsewhere.train, elsewhere.valid, elsewhere.test)
    assert {part.device.type for part in parts} == {"meta"}
    assert elsewhere.provenance == digits.provenance
    assert load_data("digits", device="meta").inputs.device.type == "meta"


def test_a_batch_is_made_where_the_data_are(digits):
    elsewhere = replace(digits, augmentation=FlipCrop(1)).to("meta")
    inputs, labels = elsewhere.batch(digits.train[:9], torch.Generator().manual_seed(0), augment=True)
    assert (inputs.device.type, labels.device.type) == ("meta", "meta")
    assert inputs.shape == (9, 1, 8, 8)


def test_names_are_these():
    assert data_names() == (
        "cifar10",
        "cifar10-full",
        "cifar10-valid",
        "cifar100",
        "cifar10_jpeg",
        "cifar10_jpeg-again-valid",
        "cifar10_jpeg-full",
        "cifar10_jpeg-valid",
        "digits",
        "fashion_mnist",
        "imagenet16-120",
        "mnist1d",
    )


def test_an_unknown_name_is_answered_with_near_ones():
    with pytest.raises(UnknownNameError, match="no data set 'mnist_1d'; did you mean mnist1d"):
        load_data("mnist_1d")


@pytest.mark.parametrize("name", ["cifar10", "cifar10-valid", "cifar100", "cifar10_jpeg", "fashion_mnist"])
def test_a_missing_data_set_says_where_it_was_looked_for_and_how_to_get_it(name, tmp_path, monkeypatch):
    with pytest.raises(NasbenchSuiteError, match=r"is not in .*; (put|install) ") as caught:
        load_data(name, root=tmp_path)
    assert str(tmp_path) in str(caught.value)
    if name != "fashion_mnist":  # which Debian may have installed
        monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "mine"))
        with pytest.raises(NasbenchSuiteError) as caught:
            load_data(name)
        assert str(tmp_path / "mine" / "datasets" / name.removesuffix("-valid")) in str(caught.value)


def test_options_that_a_data_set_does_not_have_are_refused(tmp_path):
    with pytest.raises(NasbenchSuiteError, match="only those of folder:PATH can be scaled"):
        load_data("digits", size=16)
    with pytest.raises(
        NasbenchSuiteError, match="takes no split file; cifar10-valid, cifar100, imagenet16-120"
    ):
        load_data("cifar10", split=tmp_path)


def test_heavy_packages_load_only_when_they_are_needed():
    program = "import sys, nasbench_suite.training.data; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert not {"PIL", "sklearn", "mnist1d", "matplotlib", "requests"} & set(loaded.stdout.split())
