"""Searches in blocks: the same bytes on any executor, stored blocks taken up again, users' own files."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite import Budget, NasbenchSuiteError, Runs, SingleRunStrategy, jobs, search
from nasbench_suite.blocks import in_folder, keep_runs, play_blocks
from nasbench_suite.errors import NasbenchSuiteWarning, UnknownNameError
from nasbench_suite.jobs import Search
from nasbench_suite.strategies import get_strategy
from nasbench_suite.tabular import TabularBenchmark

OWN_STRATEGY = """
from nasbench_suite import SingleRunStrategy

HELPER = 3

class Climber(SingleRunStrategy):
    step_count: int = 1
    best = None

    def propose(self):
        if self.best is None:
            return self.space.sample(self.rng, 1)[0]
        genes = self.best[1][None]
        for _ in range(self.step_count):
            genes = self.space.mutate(self.rng, genes)
        return genes[0]

    def observe(self, genes, score):
        if self.best is None or score > self.best[0]:
            self.best = (score, genes)

class Unfinished(SingleRunStrategy):
    def propose(self):
        return None
"""


@pytest.fixture
def own_file(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN_STRATEGY)
    return path


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(jobs, "BLOCK_RUNS", 4)


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def cora_search(**changes):
    return Search("regularized_evolution", "graph/cora", Budget(evaluations=15), runs=10, **changes)


def test_the_same_seed_gives_the_same_bytes_on_any_executor(small_blocks, pool, own_file, data_folder):
    for strategy in ("regularized_evolution", f"{own_file}:Climber"):
        here = search(strategy, "graph/cora", evaluations=15, runs=10, seed=3)
        there = search(strategy, "graph/cora", evaluations=15, runs=10, seed=3, executor=pool)
        assert here.sha256() == there.sha256()
        assert here.length.tolist() == [15] * 10


def test_what_proposals_of_all_blocks_met_is_said_together(small_blocks, pool, make_table):
    task = TabularBenchmark(make_table(missing=0.7))
    for executor in (None, pool):
        with pytest.warns(NasbenchSuiteWarning) as said:
            runs = search(
                "random_search",
                task,
                evaluations=15,
                runs=10,
                reward="sqrt(valid - 0.9)",
                executor=executor,
            )
        assert [str(one.message).partition(" proposals")[0] for one in said] == [
            f"{np.isnan(runs.valid).sum()} of 150",
            f"{(runs.valid < 0.9).sum()} of 150",
        ]
        assert said[0].filename == __file__


def test_a_search_that_misses_nothing_says_nothing(small_blocks, cora, recwarn):
    search("random_search", cora, evaluations=5, runs=5, reward="log(valid)")
    assert not recwarn.list


@pytest.mark.parametrize("change", [{"seed": 4}, {"settings": {"population": 5}}, {"repeat": 0}])
def test_another_request_is_another_record(cora, change):
    asked = {"evaluations": 15, "runs": 3, "seed": 3}
    first = search("regularized_evolution", cora, **asked)
    other = search("regularized_evolution", cora, **{**asked, **change})
    assert first.sha256() != other.sha256()
    assert np.array_equal(first.genes, other.genes) == (change == {"repeat": 0})


def test_runs_of_a_search_differ_from_each_other(small_blocks, cora):
    runs = search("random_search", cora, evaluations=5, runs=12)
    assert len({run.tobytes() for run in runs.genes}) == 12


def test_tasks_have_their_own_random_numbers_and_strategies_share_them(cora, data_folder):
    def first(strategy, task):
        return search(strategy, task, evaluations=1, runs=20).genes[:, 0]

    assert np.array_equal(first("random_search", cora), first("regularized_evolution", cora))
    assert not np.array_equal(first("random_search", cora), first("random_search", "graph/citeseer"))


def test_blocks_cover_all_runs(small_blocks):
    blocks = cora_search().blocks()
    assert [(block.number, block.runs) for block in blocks] == [(0, 4), (1, 4), (2, 2)]


def test_a_drawn_repeat_is_the_same_for_the_same_seed(make_table):
    task = TabularBenchmark(make_table(seed=3))
    first = search("random_search", task, evaluations=10, runs=3, repeat="random")
    again = search("random_search", task, evaluations=10, runs=3, repeat="random")
    mean = search("random_search", task, evaluations=10, runs=3)
    assert first.sha256() == again.sha256()
    assert np.array_equal(first.genes, mean.genes)
    assert not np.array_equal(first.valid, mean.valid)


@pytest.fixture
def stored(tmp_path, small_blocks, data_folder):
    """Three blocks of a search, played and stored."""
    blocks = in_folder(cora_search().blocks(), tmp_path / "work")
    answers = play_blocks(blocks, keep_runs)
    assert all(block.path.is_file() for block in blocks)
    return blocks, answers


def test_a_stored_block_is_read_instead_of_played(stored):
    blocks, answers = stored
    marked = replace(answers[1], valid=answers[1].valid + 1)
    marked.save(blocks[1].path)
    again = play_blocks(blocks, keep_runs)
    assert again[1].sha256() == marked.sha256()
    assert [runs.sha256() for runs in again[::2]] == [runs.sha256() for runs in answers[::2]]


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_a_damaged_block_is_played_again_with_the_same_bytes(stored, damage):
    blocks, answers = stored
    whole = blocks[1].path.read_bytes()
    blocks[1].path.write_bytes({"truncated": whole[:-100], "empty": b"", "text": b"no record"}[damage])
    again = play_blocks(blocks, keep_runs)
    assert [runs.sha256() for runs in again] == [runs.sha256() for runs in answers]
    assert blocks[1].path.read_bytes() == whole


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"settings": {"sample": 2}}, {"duplicates": "free"}, {"reward": "valid * 2"}]
)
def test_a_stored_block_of_another_request_is_played_again(stored, tmp_path, change):
    blocks, answers = stored
    others = in_folder(cora_search(**change).blocks(), tmp_path / "work")
    again = play_blocks(others, keep_runs)
    assert all(new.sha256() != old.sha256() for new, old in zip(again, answers, strict=True))
    assert Runs.load(blocks[0].path).sha256() == again[0].sha256()


def test_a_stored_block_of_a_changed_file_is_played_again(tmp_path, own_file, cora):
    def stored_hash(spec):
        asked = Search(spec, "graph/cora", Budget(evaluations=3), runs=2)
        [block] = in_folder(asked.blocks(), tmp_path / "work")
        return play_blocks([block], keep_runs)[0].request["strategy_sha256"]

    first = stored_hash(f"{own_file}:Climber")
    own_file.write_text(OWN_STRATEGY + "# changed\n")
    assert stored_hash(f"{own_file}:Climber") != first


def test_progress_counts_blocks(small_blocks, cora):
    seen = []
    search("random_search", cora, evaluations=2, runs=10, progress=lambda *done: seen.append(done))
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_record_tells_how_it_was_made(cora):
    request = search("regularized_evolution", cora, evaluations=5, runs=2, seed=9).request
    assert request["task"] == "graph/cora"
    assert request["table_sha256"] == cora.table.sha256
    assert request["hyperparameters"] == {"population": 10, "sample": 3}
    assert (request["seed"], request["runs"], request["repeat"]) == (9, 2, "mean")
    assert len(request["strategy_sha256"]) == 64
    assert {"python", "numpy", "nasbench-suite"} <= set(request["made_with"])


def test_a_users_file_is_played_with_its_settings(own_file, cora):
    plain = search(f"{own_file}:Climber", cora, evaluations=8, runs=3)
    far = search(f"{own_file}:Climber", cora, evaluations=8, runs=3, settings={"step_count": 3})
    assert plain.request["strategy"] == "Climber"
    assert plain.request["hyperparameters"] == {"step_count": 1}
    assert ((plain.genes[:, 1] != plain.genes[:, 0]).sum(axis=1) == 1).all()
    assert ((far.genes[:, 1] != far.genes[:, 0]).sum(axis=1) > 1).any()


@pytest.mark.parametrize(
    ("spec", "error", "says"),
    [
        ("{}:Climbr", UnknownNameError, "did you mean Climber"),
        ("{}:HELPER", NasbenchSuiteError, "no subclass of Strategy"),
        ("{}:Unfinished", NasbenchSuiteError, "lacks observe; define it"),
        ("{}", NasbenchSuiteError, "names a file but no class"),
        ("{}x.py:Climber", NasbenchSuiteError, "there is no file"),
        ("regularised_evolution", UnknownNameError, "did you mean regularized_evolution"),
    ],
)
def test_a_wrong_strategy_is_an_error_before_any_work(own_file, cora, spec, error, says):
    with pytest.raises(error, match=says):
        search(spec.format(own_file), cora, evaluations=5)


def test_a_file_that_does_not_run_is_an_error(tmp_path, cora):
    (tmp_path / "broken.py").write_text("1 / 0\n")
    with pytest.raises(NasbenchSuiteError, match=r"broken\.py does not run: ZeroDivisionError"):
        search(f"{tmp_path}/broken.py:X", cora, evaluations=5)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"runs": 0}, "runs must be"),
        ({"runs": True}, "runs must be"),
        ({"runs": "3"}, "runs must be a whole number of at least 1, not '3'"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 1.5}, "seed must be"),
        ({"constraints": "params_millions <= 1"}, r"write \['params_millions <= 1'\]"),
        ({"objectives": "valid"}, r"objectives are a list of texts; write \['valid'\]"),
        ({"settings": {"population": 0}}, "population is 0"),
        ({"settings": {"size": 3}}, "no hyperparameter"),
        ({"reward": "valid - latency"}, "latency_seconds"),
        ({"reward": "valid - test_accuracy"}, "visible to a search"),
        ({"repeat": 1}, "repeat must be"),
        ({"evaluations": None, "seconds": 10.0}, "records no training time"),
        ({"evaluations": None}, "exactly one"),
    ],
)
def test_a_wrong_request_is_an_error_before_any_work(cora, changes, says):
    with pytest.raises(NasbenchSuiteError, match=says):
        search("regularized_evolution", cora, **{"evaluations": 5, **changes})


@pytest.mark.parametrize(
    ("strategy", "task", "says"),
    [
        (dict, "graph/cora", "dict is no subclass of Strategy or SingleRunStrategy"),
        (len, "graph/cora", "len is no subclass of Strategy"),
        (7, "graph/cora", "7 is no subclass of Strategy"),
        (SingleRunStrategy, "graph/cora", "SingleRunStrategy lacks observe, propose; define it"),
        ("random_search", None, "on the name of a task or on a benchmark, not on None"),
    ],
)
def test_what_is_no_strategy_or_no_benchmark_is_said(strategy, task, says):
    with pytest.raises(NasbenchSuiteError, match=says):
        search(strategy, task, evaluations=5)


def test_numbers_of_numpy_are_numbers(cora):
    own = search("random_search", cora, evaluations=5, runs=3, seed=4)
    asked = {"evaluations": np.int32(5), "runs": np.uint8(3), "seed": np.int64(4)}
    assert search("random_search", cora, **asked).sha256() == own.sha256()


def test_an_error_in_a_worker_is_the_callers(small_blocks, pool, tmp_path, data_folder):
    path = tmp_path / "late.py"
    path.write_text(OWN_STRATEGY.replace("return genes[0]", "return genes[0] + 100"))
    with (
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor,
        pytest.raises(NasbenchSuiteError, match="strategy Climber proposed an invalid architecture"),
    ):
        search(f"{path}:Climber", "graph/cora", evaluations=5, runs=10, executor=executor)


class Fixed(SingleRunStrategy):
    """A class typed at a prompt, so to speak."""

    start: int = 7

    def propose(self):
        return self.space.decode(np.array([self.start]))[0]

    def observe(self, genes, score):
        self.start += 1


def test_a_class_and_an_object_are_played_as_they_are(cora):
    by_class = search(Fixed, cora, evaluations=3, runs=2, settings={"start": 100})
    assert cora.space.encode(by_class.genes[1]).tolist() == [100, 101, 102]
    strategy = get_strategy("random_search")(cora.space, runs=4, seed=1)
    assert search(strategy, cora, evaluations=3).length.tolist() == [3] * 4


@pytest.mark.parametrize("value", ["7", 7.0, True])
def test_settings_of_a_class_without_a_card_keep_their_type(cora, value):
    with pytest.raises(NasbenchSuiteError, match="hyperparameter start of Fixed is of type int"):
        search(Fixed, cora, evaluations=3, settings={"start": value})


class Learner(SingleRunStrategy):
    """Says that it trains networks; proposes what the training setting's data set would fill."""

    trains = True
    uses_results = False

    def propose(self):
        self.billed_seconds = 1.0
        return np.full(6, self.training.data.classes % 5, dtype=np.uint8)

    def observe(self, genes, score):
        pass


@pytest.fixture
def learnable(make_table):
    return TabularBenchmark(make_table(task="nats_topology/mnist1d"))


def test_a_strategy_that_trains_gets_the_tasks_data_and_blocks_of_one_run(learnable):
    asked = Search(Learner, learnable, Budget(evaluations=2), runs=3)
    assert [block.runs for block in asked.blocks()] == [1, 1, 1]
    runs = search(Learner, learnable, evaluations=2, runs=3)
    assert (runs.genes == 0).all()  # ten classes
    assert runs.search_seconds.tolist() == [[1, 1]] * 3


@pytest.mark.parametrize(
    ("task", "says"),
    [("graph/cora", "graph/cora cannot be trained here"), ("made/up", "'made/up'")],
)
def test_a_task_whose_networks_nothing_says_how_to_train_is_refused(make_table, data_folder, task, says):
    benchmark = task if task == "graph/cora" else TabularBenchmark(make_table())
    with pytest.raises(NasbenchSuiteError, match=says):
        Search("darts", benchmark, Budget(evaluations=2)).check()


def test_a_block_of_trainings_is_played_again_when_the_code_that_trains_has_changed(
    learnable, tmp_path, monkeypatch
):
    (block,) = in_folder(Search(Learner, learnable, Budget(evaluations=1), runs=1).blocks(), tmp_path)
    first = block.play()
    assert {"device", "data", "skeleton", "training_sha256"} <= set(first.request)
    monkeypatch.setattr(Learner, "propose", lambda self: np.ones(6, dtype=np.uint8))
    assert (block.play().genes == 0).all()  # taken up
    monkeypatch.setattr("nasbench_suite.blocks.training_sha256", lambda: "another")
    assert (block.play().genes == 1).all()
