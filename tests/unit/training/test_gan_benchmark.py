"""Generators behind the Benchmark protocol: answers are the trainings', each made once."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from gan_tasks import QUICK, rank_few

from nasbench_suite import Benchmark, NasbenchSuiteError, get_space, search, tasks
from nasbench_suite.clock import Budget
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.tabular.gan_file import read_gan_file, write_gan_file
from nasbench_suite.tabular.generator_samples import real_inputs, samples_figure
from nasbench_suite.training.data import load_data
from nasbench_suite.training.gan import data as gan_data
from nasbench_suite.training.gan import kept, plan, recipe
from nasbench_suite.training.gan.benchmark import GanTrainingBenchmark
from nasbench_suite.training.gan.build import as_gan_file, build_gans, collected
from nasbench_suite.training.gan.classifier import train_classifier
from nasbench_suite.training.gan.data import GanData
from nasbench_suite.training.gan.plan import GanPlan
from nasbench_suite.training.gan.recipe import GanRecipe
from nasbench_suite.training.gan.train import train_gans

SPACE = get_space("gan_two_cells")
ROWS = SPACE.sample(np.random.default_rng(2), 4)
TINY = GanRecipe(
    *("tiny", "made up"),
    steps=4,
    batch=4,
    channels=3,
    latent=2,
    critic_channels=3,
    checkpoints=2,
    judged=40,
    judged_batch=20,
)
PLAN = GanPlan(
    benchmark="gan-digits",
    task="gan/digits",
    space="gan_two_cells",
    recipe="tiny",
    data="digits",
    seeds=[5, 3],
)


@pytest.fixture(scope="module", autouse=True)
def digits(tmp_path_factory):
    """Grey images of 8x8 pixels, with a classifier and a plan of their own."""
    folder = tmp_path_factory.mktemp("content")
    known = GanData("digits", train=100, valid=80, test=60, white=16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "GAN_RECIPES", {"tiny": TINY})
        patch.setattr(gan_data, "GAN_DATA", {"digits": known})
        patch.setattr(gan_data, "content_root", lambda: folder)
        patch.setattr(plan, "content_root", lambda: folder)
        train_classifier(known.load(), known.folder / "classifier.h5", epochs=1)
        text = "\n".join(f"{name} = {value!r}" for name, value in PLAN.model_dump().items())
        (known.folder / "gan.toml").write_text(text)
        tasks._open_training.cache_clear()
        yield known
        tasks._open_training.cache_clear()


@pytest.fixture
def trained(monkeypatch):
    """Seed and number of architectures of everything that is trained."""
    calls = []

    def counted(genes, *rest, seed, **options):
        calls.append((seed, len(genes)))
        return train_gans(genes, *rest, seed=seed, **options)

    monkeypatch.setattr(kept, "train_gans", counted)
    return calls


@pytest.fixture(scope="module")
def curves(digits):
    """What trainings give, apart from any benchmark."""
    setting = GanTrainingBenchmark(PLAN).store.setting
    given = {"data": setting.data, "classifier": setting.classifier}
    return [train_gans(ROWS, "gan_two_cells", TINY, seed=seed, **given) for seed in PLAN.seeds]


def test_images_are_from_black_to_white(digits):
    data = digits.load()
    assert data.shape == (1, 8, 8)
    pixels = data.batch(data.train)[0]
    assert (pixels.min(), pixels.max()) == (-1, 1)
    raw = load_data("digits", train=100, valid=80, test=60)
    assert torch.allclose(pixels, raw.inputs[raw.train] / 8 - 1)


def test_answers_are_those_of_the_trainings(curves):
    benchmark = GanTrainingBenchmark(PLAN)
    assert isinstance(benchmark, Benchmark)
    assert benchmark.id == "training:gan/digits"
    assert list(benchmark.fidelities) == [2, 4]
    found = benchmark.query(ROWS, info=["inception", "critic_hinge_loss"])
    assert not found.maximise
    for name, ours in (("frechet_valid", found.valid), *found.info.items()):
        theirs = [getattr(of, name.replace("_hinge", ""))[:, -1] for of in curves]
        np.testing.assert_allclose(ours, np.mean(theirs, axis=0), rtol=1e-3)
    early = benchmark.query(ROWS, epochs=2, repeat=1)
    np.testing.assert_allclose(early.valid, curves[1].frechet_valid[:, 0], rtol=1e-3)
    np.testing.assert_allclose(early.seconds, benchmark.query(ROWS, repeat=1).seconds / 2)
    tested = benchmark.reveal(ROWS).test
    np.testing.assert_allclose(tested, np.mean([of.frechet_test[:, -1] for of in curves], axis=0), rtol=1e-3)


def test_workers_give_the_same_answers(curves):
    class Elsewhere(ThreadPoolExecutor):
        """Sends what a worker needs as bytes, as processes do."""

        def submit(self, function, store, *rest):
            asked.append(rest)
            return super().submit(function, pickle.loads(pickle.dumps(store)), *rest)

    asked = []
    benchmark, here = GanTrainingBenchmark(PLAN), GanTrainingBenchmark(PLAN)
    with Elsewhere(1) as executor, benchmark.trained_on(executor):
        found = benchmark.query(ROWS)
    np.testing.assert_array_equal(found.valid, here.query(ROWS).valid)
    assert sorted(seed for *_, seed in asked) == [3] * 4 + [5] * 4


def test_every_training_is_made_once_and_kept(trained, tmp_path):
    benchmark = GanTrainingBenchmark(PLAN, folder=tmp_path)
    first = benchmark.query(ROWS[[0, 1, 0]], repeat=0)
    assert trained == [(5, 1)] * 2
    assert first.valid[0] == first.valid[2]
    benchmark.query(ROWS[:3], repeat=0)
    assert trained == [(5, 1)] * 3
    again = pickle.loads(pickle.dumps(GanTrainingBenchmark(PLAN, folder=tmp_path)))
    assert again.query(ROWS[:2], repeat=0).valid.tolist() == first.valid[:2].tolist()
    assert again.sha256 == benchmark.sha256
    assert len(trained) == 3
    for file in tmp_path.rglob("*.npz"):
        file.write_bytes(file.read_bytes()[:-30])
    damaged = GanTrainingBenchmark(PLAN, folder=tmp_path)
    np.testing.assert_allclose(damaged.query(ROWS[:2], repeat=0).valid, first.valid[:2], rtol=1e-3)
    assert trained[3:] == [(5, 1)] * 2


def test_a_search_trains_what_it_asks(trained):
    told = []
    runs = search(
        *("random_search", "training:gan/digits"),
        evaluations=3,
        runs=1,
        progress=lambda *counts: told.append(counts),
    )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3), (3, 3)]
    expected = tasks.load_benchmark("training:gan/digits").query(runs.genes[0]).valid
    assert runs.valid[0].tolist() == expected.tolist()
    assert sum(count for _, count in trained) == 6


def test_autogan_searches_images_and_its_end_alone_is_trained(trained):
    rank_few()
    runs = search("autogan", "training:gan/digits", evaluations=3, runs=1, settings=QUICK)
    assert np.isnan(runs.valid[0, :-1]).all()
    assert np.isfinite(runs.valid[0, -1])
    assert sorted(trained) == [(3, 1), (5, 1)]


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"epochs": 3}, NasbenchSuiteError, "no results after 3 steps; its schedule has steps 2 to 4"),
        ({"repeat": 2}, NasbenchSuiteError, "has 2 seed"),
        ({"info": ["frechet_test"]}, UnknownNameError, "frechet_test"),
    ],
)
def test_what_cannot_be_asked_is_refused(asked, error, says):
    with pytest.raises(error, match=says):
        GanTrainingBenchmark(PLAN).query(ROWS[:0], **asked)


def test_a_task_without_a_table_says_what_answers():
    with pytest.raises(NasbenchSuiteError, match=r"no table of gan/digits; training:gan/digits answers"):
        tasks.load_benchmark("gan/digits")
    with pytest.raises(UnknownNameError, match="no task 'gan/letters'"):
        tasks.load_benchmark("gan/letters")


def test_a_budget_in_seconds_is_one_of_trainings():
    runs = search("random_search", "training:gan/digits", seconds=1e-6, runs=1)
    assert runs.length.tolist() == [1]
    assert Budget(seconds=1e-6).seconds == runs.request["budget"]["seconds"]


def test_a_build_keeps_images_and_draws_them(tmp_path):
    few = PLAN.model_copy(update={"limit": 3, "seeds": [5]})
    build_gans(few, tmp_path / "work", earlier=tmp_path / "gan.h5")
    write_gan_file(
        as_gan_file(few, collected(few, tmp_path / "work", tmp_path / "gan.h5")), tmp_path / "gan.h5"
    )
    content = read_gan_file(tmp_path / "gan.h5")
    assert content.description.data_name == "digits"
    assert content.samples.shape == (3, 8, 8, 8)
    assert np.abs(content.samples).max() <= 1
    real = real_inputs(content)
    assert real.shape == (8, 8, 8)
    titles = [part.get_suptitle() for part in samples_figure(content, real).subfigs]
    assert titles[0] == "real images"
    best = content.curves["frechet_valid"][0, -1].min()
    assert titles[1].endswith(f"Fréchet distance {best:.2f}")
    shown = samples_figure(content, real).subfigs[0].axes[2].images[0].get_array()
    np.testing.assert_allclose(shown, (real[2] + 1) / 2)


def test_colours_are_drawn_as_colours(tmp_path):
    few = PLAN.model_copy(update={"limit": 1, "seeds": [5]})
    build_gans(few, tmp_path / "work", earlier=tmp_path / "gan.h5")
    content = as_gan_file(few, collected(few, tmp_path / "work", tmp_path / "gan.h5"))
    real = np.random.default_rng(0).uniform(-1, 1, size=(8, 3, 4, 6)).astype(np.float32)
    coloured = replace(content, samples=real[None].astype(np.float16))
    shown = samples_figure(coloured, real).subfigs[0].axes[0].images[0].get_array()
    np.testing.assert_allclose(shown, (real[0].transpose(1, 2, 0) + 1) / 2, atol=1e-6)
