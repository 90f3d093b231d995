"""Real training as a benchmark: the same searches as on a table of the same curves, every training once."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from nasbench_suite import Benchmark, NasbenchSuiteError, get_space, load_benchmark, search
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.clock import Budget
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.jobs import Search
from nasbench_suite.tabular import Table, TableDescription, TabularBenchmark
from nasbench_suite.training import kept
from nasbench_suite.training.benchmark import TrainingBenchmark
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.many import train_together
from nasbench_suite.training.networks import build_network
from nasbench_suite.training.task import DataChoice
from nasbench_suite.workers import workers

SPACE = get_space("nats_topology")
# A convolution of the input, and a copy of it through node 1: the authors count them once.
TWINS = (
    "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
    "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
)


@pytest.fixture
def training(tiny_task) -> TrainingBenchmark:
    return TrainingBenchmark(tiny_task())


@pytest.fixture
def trained(monkeypatch) -> list[tuple[int, int]]:
    """Seed and number of architectures of everything that is trained."""
    calls = []

    def counted(space, genes, *rest, seed, **options):
        calls.append((seed, len(genes)))
        return train_all(space, genes, *rest, seed=seed, **options)

    monkeypatch.setattr(kept, "train_all", counted)
    return calls


@pytest.fixture
def cells():
    return SPACE.canonical(SPACE.sample(np.random.default_rng(1), 6))


def table_of(training, genes):
    """A table of the same trainings, made of the trainer's own curves; the seconds are the training's."""
    task = training.task
    data = task.load_data()
    probe = SPACE.sample(np.random.default_rng(0), 1)  # what a search asks of a table before it begins
    genes = np.unique(SPACE.canonical(np.concatenate([genes, probe])), axis=0)
    asked = task.space, genes, task.network_skeleton(data), data, task.training_recipe
    curves = [train_all(*asked, seed=seed) for seed in task.seeds]
    columns = {}
    for name, inputs in (("valid_accuracy", 100), ("test_accuracy", 120)):
        right = [np.rint(getattr(of_seed, name) * inputs) for of_seed in curves]
        columns[name] = np.stack(right, axis=1) / inputs
    seconds = [
        [training.query(genes, epochs=epoch, repeat=repeat).seconds for epoch in training.fidelities]
        for repeat in range(training.repeats)
    ]
    columns["train_seconds"] = np.array(seconds).transpose(2, 0, 1)
    counted = training.query(genes, info=["params_millions"]).info["params_millions"]
    columns["params_millions"] = counted[:, None, None]
    description = TableDescription(
        task=training.id,
        space=task.space,
        valid="valid_accuracy",
        test="test_accuracy",
        rows="class",
        repeats=[f"seed {seed}" for seed in task.seeds],
        licence="none",
        source="the test suite",
        source_version="1",
        source_sha256="0" * 64,
        created_with="the test suite",
    )
    metrics = {name: training.metrics[name] for name in columns}
    epochs = np.array(training.fidelities, dtype=np.int32)
    return TabularBenchmark(Table(description, genes, epochs, metrics, columns))


@pytest.mark.parametrize(
    ("strategy", "asked"),
    [
        ("regularized_evolution", {"settings": {"population": 3, "sample": 2}}),
        ("random_search", {"repeat": "random"}),
        ("random_search", {"repeat": 1, "reward": "valid - 10 * params_millions"}),
        ("bohb", {"settings": {"min_epochs": 1, "max_epochs": 2}}),
    ],
)
def test_a_search_is_that_against_a_table_of_the_same_curves(training, strategy, asked):
    asked = {"evaluations": 6, "runs": 2, "seed": 4, **asked}
    ours = search(strategy, training, **asked)
    table = table_of(training, ours.genes.reshape(-1, 6))
    theirs = search(strategy, table, **asked)
    np.testing.assert_array_equal(ours.genes, theirs.genes)
    np.testing.assert_allclose(ours.valid, theirs.valid, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.seconds, theirs.seconds, rtol=1e-12)
    np.testing.assert_array_equal(ours.epochs, theirs.epochs)
    last = ours.genes[:, -1]
    np.testing.assert_allclose(training.reveal(last).test, table.reveal(last).test, atol=1e-12)
    assert len(np.unique(ours.valid)) > 3  # a search in which all results are the same shows nothing


def test_it_is_a_benchmark(training, cells):
    assert isinstance(training, Benchmark)
    assert training.id == "training:made/up"
    assert list(training.fidelities) == [1, 2]
    assert training.repeats == 2
    answer = training.query(cells)
    assert answer.maximise
    assert answer.valid.shape == answer.seconds.shape == (6,)
    assert training.query(cells[:0]).valid.shape == training.reveal(cells[:0]).test.shape == (0,)


def test_isomorphic_and_repeated_architectures_are_trained_once(training, trained):
    twins = np.stack([SPACE.parse(text) for text in TWINS])
    assert not np.array_equal(*twins)
    batch = np.concatenate([twins, twins[:1]])
    found = training.query(batch, repeat=0)
    assert trained == [(3, 1)]
    assert len(set(found.valid)) == len(set(found.seconds)) == len(set(training.identity(batch))) == 1
    training.query(twins, repeat=0, epochs=1)
    assert trained == [(3, 1)]
    training.query(twins, repeat=1)
    training.reveal(twins)
    assert trained == [(3, 1), (5, 1)]


def test_trainings_say_how_far_they_are(tiny_task, monkeypatch, cells):
    monkeypatch.setattr(kept, "_TOGETHER", 2)
    trainings, steps = kept.KeptTrainings(tiny_task()), []
    trainings.train(cells[:2], 3)
    trainings.train(cells, 3, progress=steps.append)
    assert steps == [4, 6]


def test_a_batch_is_trained_together(training, trained, cells):
    training.query(cells, repeat=1)
    assert trained == [(5, 6)]
    assert len(set(training.identity(cells))) == 6


@pytest.fixture(scope="module")
def two_workers():
    with workers(2) as executor:
        yield executor


def test_workers_give_the_same_answers_and_keep_what_they_trained(
    tiny_task, two_workers, trained, cells, tmp_path
):
    here = TrainingBenchmark(tiny_task(recipe="short"))
    names = ["valid_loss", "train_loss"]
    expected, tested = here.query(cells, info=names), here.reveal(cells).test
    trained.clear()
    there = TrainingBenchmark(tiny_task(recipe="short"), folder=tmp_path)
    with there.trained_on(two_workers):
        found = there.query(cells, info=names)
    np.testing.assert_array_equal(found.valid, expected.valid)  # to the last digit
    for name in names:
        np.testing.assert_array_equal(found.info[name], expected.info[name])
    np.testing.assert_array_equal(there.reveal(cells).test, tested)
    assert (found.seconds > 0).all()
    assert trained == []
    assert len(list(tmp_path.rglob("*.npz"))) == 12
    there.query(SPACE.canonical(SPACE.sample(np.random.default_rng(9), 1)))
    assert trained == [(3, 1), (5, 1)]  # this process trains again, once the workers are no more to be used


def test_what_is_asked_for_at_once_goes_to_workers_in_parts(training, monkeypatch, cells):
    asked = []

    class Listening(ThreadPoolExecutor):
        def submit(self, function, store, name, part, seed):
            asked.append((seed, len(part)))
            return super().submit(function, store, name, part, seed)

    steps = []
    with Listening(1) as executor:
        training.store.executor = executor
        training.store.train_all([(cells, 3), (cells[:5], 5)], progress=steps.append)
        training.query(cells)  # all but one are kept, and one is trained here
    assert asked == [(3, 4), (3, 2), (5, 4), (5, 1)]
    assert sorted(steps) == steps
    assert steps[-1] == 11


def test_a_worker_that_dies_is_told_and_loses_nothing_that_was_stored(tiny_task, cells, tmp_path):
    training = TrainingBenchmark(tiny_task(recipe="short"), folder=tmp_path)
    before = training.query(cells[:5], repeat=0).valid
    with workers(2) as executor, training.trained_on(executor):
        executor.submit(os._exit, 1)
        with pytest.raises(NasbenchSuiteError, match="a worker process died"):
            training.query(cells)
    again = TrainingBenchmark(tiny_task(recipe="short"), folder=tmp_path)
    np.testing.assert_array_equal(again.query(cells[:5], repeat=0).valid, before)


def test_images_are_trained_here_since_threads_share_their_sums(tiny_task, two_workers, cells):
    store = TrainingBenchmark(tiny_task(data=DataChoice(name="digits"))).store
    assert store.data.dims == 2
    assert store.part == 0


def test_repeats_are_seeds_and_epochs_points_of_one_schedule(training, cells):
    task = training.task
    data = task.load_data()
    for repeat, seed in enumerate(task.seeds):
        curves = train_together(
            task.space, cells, task.network_skeleton(data), data, task.training_recipe, seed=seed
        )
        for epochs in (1, 2, None):
            at = -1 if epochs is None else epochs - 1
            found = training.query(cells, epochs=epochs, repeat=repeat, info=["valid_loss", "train_accuracy"])
            np.testing.assert_allclose(found.valid, curves.valid_accuracy[:, at], atol=1e-6)
            np.testing.assert_allclose(found.info["valid_loss"], curves.valid_loss[:, at], rtol=1e-6)
            np.testing.assert_allclose(found.info["train_accuracy"], curves.train_accuracy[:, at], atol=1e-6)
    one, two = (training.query(cells, repeat=repeat) for repeat in (0, 1))
    np.testing.assert_allclose(training.query(cells).valid, (one.valid + two.valid) / 2)
    np.testing.assert_allclose(training.query(cells).seconds, (one.seconds + two.seconds) / 2)


def test_seconds_are_those_measured_up_to_the_epoch_and_of_one_validation_pass(training, cells):
    kept_curves = [one.curves for one in training.store.train(cells, 3)]
    for epochs in (1, 2):
        expected = [
            curves.train_seconds[0, :epochs].sum() + curves.eval_seconds[0, epochs - 1] * 100 / 220
            for curves in kept_curves
        ]
        np.testing.assert_allclose(training.query(cells, epochs=epochs, repeat=0).seconds, expected)
    assert (training.query(cells).seconds > training.query(cells, epochs=1).seconds).all()


def test_parameters_are_those_of_the_network(training, cells):
    data = training.task.load_data()
    found = training.query(cells[:2], info=["params_millions"]).info["params_millions"]
    for row, millions in zip(cells[:2], found, strict=True):
        network = build_network("nats_topology", row, training.task.network_skeleton(data))
        assert sum(p.numel() for p in network.parameters()) == round(millions * 1e6)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"epochs": 3}, "no results after 3 epochs; its schedule has epochs 1 to 2"),
        ({"epochs": 0}, "no results after 0 epochs"),
        ({"repeat": 2}, "has 2 seed"),
        ({"repeat": True}, "not True"),
        ({"repeat": "median"}, "not 'median'"),
        ({"info": ["test_accuracy"]}, "no metric visible to a search"),
        ({"info": ["valid_los"]}, "did you mean valid_loss"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_is_trained(training, trained, cells, asked, message):
    with pytest.raises(NasbenchSuiteError, match=message):
        training.query(cells, **asked)
    assert trained == []


def test_asking_whether_a_search_can_be_played_trains_nothing(training, trained):
    Search("random_search", training, Budget(seconds=1.0), repeat="random").check()
    with pytest.raises(UnknownNameError):
        Search("random_search", training, Budget(5), reward="valid - no_such").check()
    assert trained == []


def test_a_record_of_one_recipe_is_not_taken_for_that_of_another(training, tiny_task):
    def request(task):
        (block,) = Search("random_search", TrainingBenchmark(task), Budget(2), runs=1).blocks()
        return block.request(block.search.load())

    assert request(tiny_task()) == request(tiny_task())
    assert request(tiny_task())["table_sha256"] == training.sha256
    for other in (tiny_task(recipe="short"), tiny_task(seeds=[3])):
        assert request(other)["table_sha256"] != training.sha256


def test_inputs_that_test_are_never_searched_on(tiny_task, cells):
    benchmark = TrainingBenchmark(tiny_task(validation="none"))
    assert not any(metric.role == "valid" for metric in benchmark.metrics.values())
    assert "valid_loss" not in benchmark.metrics
    with pytest.raises(NasbenchSuiteError, match="training:made/up cannot be searched"):
        benchmark.query(cells)
    with pytest.raises(NasbenchSuiteError, match="cannot be searched"):
        search("random_search", benchmark, evaluations=2, runs=1)
    assert np.isfinite(benchmark.reveal(cells[:1]).test).all()


def test_a_recipe_that_reports_the_best_epoch_is_read_so(tiny_task, tiny_recipe, cells):
    tiny_recipe(name="best", epochs=5, report="best", learning_rate=0.5)
    tiny_recipe(name="last", epochs=5, learning_rate=0.5)
    best, last = (TrainingBenchmark(tiny_task(recipe=name, seeds=[3])) for name in ("best", "last"))
    valid = np.array([last.query(cells, epochs=epoch).valid for epoch in range(1, 6)])
    running = np.maximum.accumulate(valid)
    assert (running != valid).any()
    for epoch in range(1, 6):
        np.testing.assert_array_equal(best.query(cells, epochs=epoch).valid, running[epoch - 1])
    test = np.array([one.curves.test_accuracy[0] for one in last.store.train(cells, 3)])
    np.testing.assert_array_equal(best.reveal(cells).test, test[np.arange(6), valid.argmax(axis=0)])


def test_a_training_that_fails_is_missing_and_said(tiny_task, tiny_recipe):
    tiny_recipe(name="wild", learning_rate=1e30)
    benchmark = TrainingBenchmark(tiny_task(recipe="wild", seeds=[3]))
    with pytest.warns(MissingResultWarning, match="2 of 2 results of valid_accuracy are missing"):
        found = benchmark.query(np.stack([SPACE.parse("1462"), SPACE.parse("11")]))
    assert np.isnan(found.valid).all()
    assert (found.seconds > 0).all()


def test_another_process_can_have_it(tiny_task, tmp_path):
    benchmark = TrainingBenchmark(tiny_task(), folder=tmp_path)
    again = pickle.loads(pickle.dumps(benchmark))
    assert (again.task, again.folder, again.id) == (benchmark.task, tmp_path, benchmark.id)


def test_trainings_are_kept_on_disk(tiny_task, tmp_path, trained, cells):
    first = TrainingBenchmark(tiny_task(), folder=tmp_path)
    asked = {"info": ["valid_loss", "train_loss"]}
    before = first.query(cells, **asked)
    assert len(list(tmp_path.glob("*/seed-3-*.npz"))) == len(list(tmp_path.glob("*/seed-5-*.npz"))) == 6
    trained.clear()
    again = TrainingBenchmark(tiny_task(seeds=[5, 3]), folder=tmp_path).query(cells, **asked)
    assert trained == []
    np.testing.assert_allclose(again.valid, before.valid)
    np.testing.assert_allclose(again.seconds, before.seconds)
    np.testing.assert_allclose(again.info["valid_loss"], before.info["valid_loss"])


def test_trainings_of_another_recipe_or_architecture_are_not_taken_up(
    tiny_task, tiny_recipe, tmp_path, trained, cells
):
    TrainingBenchmark(tiny_task(), folder=tmp_path).query(cells[:2], repeat=0)
    tiny_recipe(name="other", learning_rate=0.2)
    TrainingBenchmark(tiny_task(recipe="other"), folder=tmp_path).query(cells[:2], repeat=0)
    assert trained == [(3, 2), (3, 2)]
    one, other = sorted(next(tmp_path.iterdir()).iterdir())
    one.write_bytes(other.read_bytes())
    folder = TrainingBenchmark(tiny_task(), folder=tmp_path)
    folder.query(cells[:2], repeat=0)
    TrainingBenchmark(tiny_task(recipe="other"), folder=tmp_path).query(cells[:2], repeat=0)
    assert trained == [(3, 2), (3, 2), (3, 1)]


@pytest.mark.parametrize("damage", [lambda whole: whole[:-40], lambda whole: b"", lambda whole: b"x" * 99])
def test_a_damaged_training_is_done_again(tiny_task, tmp_path, trained, cells, damage):
    before = TrainingBenchmark(tiny_task(), folder=tmp_path).query(cells[:1], repeat=0)
    (path,) = tmp_path.glob("*/*.npz")
    path.write_bytes(damage(path.read_bytes()))
    again = TrainingBenchmark(tiny_task(), folder=tmp_path).query(cells[:1], repeat=0)
    assert trained == [(3, 1), (3, 1)]
    assert again.valid == before.valid


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from nasbench_suite import get_space
from nasbench_suite.training import kept
from nasbench_suite.training.plan import SkeletonEntry
from nasbench_suite.training.task import DataChoice, TrainingTask

kept._TOGETHER = 2
real, calls = kept.train_all, []

def killed(*asked, **options):
    calls.append(asked)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*asked, **options)

kept.train_all = killed
task = TrainingTask(
    task="made/up", space="nats_topology", recipe="short", seeds=[3],
    data=DataChoice(name="mnist1d", train=200, valid=100, test=120),
    skeleton=SkeletonEntry(inputs=1, classes=10, dims=1, width=4, depth=1, style="light"),
)
space = get_space("nats_topology")
cells = space.canonical(space.sample(np.random.default_rng(1), 6))
kept.KeptTrainings(task, folder=Path(sys.argv[1])).train(cells, 3)
"""


def test_what_a_killed_process_has_trained_is_not_trained_again(tiny_task, tmp_path, trained, cells):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*/*"))) == 4
    benchmark = TrainingBenchmark(tiny_task(recipe="short", seeds=[3]), folder=tmp_path)
    found = benchmark.query(cells)
    assert trained == [(3, 2)]
    whole = TrainingBenchmark(tiny_task(recipe="short", seeds=[3])).query(cells)
    np.testing.assert_allclose(found.valid, whole.valid)


def test_a_task_is_trained_under_its_name(monkeypatch, tmp_path):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path))
    benchmark = load_benchmark("training:nats_topology/mnist1d")
    assert benchmark is load_benchmark("training:nats_topology/mnist1d")
    assert benchmark.id == "training:nats_topology/mnist1d"
    assert benchmark.task.recipe == "short"
    assert benchmark.folder == tmp_path / "trainings"
    with pytest.raises(NasbenchSuiteError, match="graph/cora cannot be trained here"):
        load_benchmark("training:graph/cora")
    assert torch.get_num_threads() >= 1
