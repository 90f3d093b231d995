"""What the guide says of generators of images, out of the trainings that ship."""

import re
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from nasbench_suite import load_benchmark
from nasbench_suite.content import content_root
from nasbench_suite.tabular.gan_file import read_gan_file
from nasbench_suite.training.gan.plan import read_gan_plan

HOME = content_root() / "tabular" / "gan-fashion_mnist"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "gans.md"
TEXT = re.sub(r"\s+", " ", GUIDE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def content():
    return read_gan_file(HOME / "gan.h5")


@pytest.fixture(scope="module")
def distance(content):
    return content.curves["frechet_valid"][:, -1].astype(np.float64)


def test_the_file_is_what_the_plan_asks_for(content):
    assert content.description.request == read_gan_plan(HOME / "gan.toml").request
    assert content.is_complete
    assert content.trained() == [24, 8]
    assert content.samples.shape == (24, 8, 28, 28)


def test_distances_and_scores_are_those_of_the_page(content, distance):
    first = distance[0]
    said = f"are {first.min():.2f} to {first.max():.2f}, median {np.median(first):.2f}"
    score = content.curves["inception"][0, -1]
    assert said in TEXT
    assert f"inception scores {score.min():.2f} to {score.max():.2f}" in TEXT


def test_deviations_are_those_of_the_page(content, distance):
    of = np.log(distance)
    twice = content.ran_on[1] >= 0
    seeds = (of[0, twice] - of[1, twice]).std(ddof=1) / 2**0.5
    without = np.delete(of[0], of[0].argmax()).std(ddof=1)
    said = f"deviates by {of[0].std(ddof=1):.2f} between architectures, by {without:.2f} without the worst, "
    assert f"{said}and by {seeds:.2f} between seeds" in TEXT


def test_signals_say_little_of_images(content, distance):
    of_signals = load_benchmark("gan/mnist1d").query(content.genes).valid
    assert f"(Spearman {spearmanr(of_signals, distance[0]).statistic:.2f}, of 24)" in TEXT


def test_what_autogan_ended_with_has_its_place(distance):
    (ended,) = re.findall(r"at a distance of (\d\.\d\d): three of the twenty-four do better", TEXT)
    assert int((distance[0] < float(ended)).sum()) == 3
