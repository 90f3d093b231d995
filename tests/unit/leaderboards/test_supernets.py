"""What a board says of strategies that train a supernet, against counts and correlations by hand."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from nasbench_suite import SingleRunStrategy, jobs
from nasbench_suite.leaderboards import outcomes, supernet_page, supernets
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.render import markdown_page, page_figure_names, write_pages
from nasbench_suite.leaderboards.results import load_board, save_board
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.runs import Runs
from nasbench_suite.tabular import TabularBenchmark

EPOCHS, JUDGED = 3, 20


class Pretender(SingleRunStrategy):
    """Proposes what it draws, bills two seconds an epoch, and ranks architectures by a noisy sum of genes."""

    uses_results = False

    def setup(self):
        self.done = 0

    def propose(self):
        self.done += 1
        self.billed_seconds = 2.0
        if self.done == EPOCHS:
            self.ending = (
                "the loss became nan in epoch 3" if self.rng.random() < 0.5 else "all 3 epochs are done"
            )
        return self.space.sample(self.rng, 1)[0]

    def observe(self, genes, score):
        pass

    def findings(self):
        genes = self.space.sample(np.random.default_rng(5), JUDGED)
        return {
            "supernet_genes": genes,
            "supernet_accuracy": genes.sum(axis=1) + self.rng.random(JUDGED),
            "step_bytes": np.array(3_000_000),
        }


RULES = {
    "title": "Supernets",
    "summary": "Made up.",
    "tasks": ["made/up"],
    "seconds": 60.0,
    "runs": 6,
    "resamples": 50,
    "clock": "total",
    "strategies": [
        {"strategy": "random_search"},
        {"strategy": f"{__file__}:Pretender", "label": "pretender"},
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("supernets")


@pytest.fixture(scope="module")
def task(make_table):
    return TabularBenchmark(make_table())


@pytest.fixture(scope="module")
def played(task, folder):
    with pytest.MonkeyPatch.context() as patch:
        for module in (outcomes, jobs):
            patch.setattr(module, "load_benchmark", lambda name, **on: task)
        return run_board(Rules.model_validate(RULES), folder, folder / "runs")


@pytest.fixture
def known(task, monkeypatch):
    monkeypatch.setattr(supernet_page, "load_benchmark", lambda name, **on: task)


@pytest.fixture(scope="module")
def runs(played, folder):
    (path,) = (folder / "runs" / "made-up" / "pretender").iterdir()
    return Runs.load(path)


def tau_b(a, b):
    """Kendall's tau with ties, pair by pair."""
    signs = [(np.sign(a[i] - a[j]), np.sign(b[i] - b[j])) for i, j in combinations(range(len(a)), 2)]
    ties_a, ties_b = sum(x == 0 for x, _ in signs), sum(y == 0 for _, y in signs)
    return sum(x * y for x, y in signs) / np.sqrt((len(signs) - ties_a) * (len(signs) - ties_b))


def test_rank_correlations_are_those_of_all_pairs(played, runs, task):
    found = played.supernets["made/up"]["pretender"]
    for run in range(6):
        table = task.valid_column()[task.rows(runs.findings["supernet_genes"][run])]
        assert found.kendall[run] == pytest.approx(tau_b(runs.findings["supernet_accuracy"][run], table))


def test_of_a_minimised_metric_what_is_worth_more_goes_with_less(runs, task, make_table):
    smaller = TabularBenchmark(make_table(direction="min"))
    as_max, as_min = (supernets.Supernets.of(runs, one, one) for one in (task, smaller))
    assert np.allclose(as_min.kendall, -as_max.kendall)
    assert np.allclose(as_min.spearman, -as_max.spearman)


def test_test_results_operations_and_seconds_are_those_of_the_records(played, runs, task):
    found = played.supernets["made/up"]["pretender"]
    for run in range(6):
        for epoch in range(EPOCHS):
            row = runs.genes[run, epoch]
            assert found.test[run, epoch] == task.test_column()[task.rows(row[None])[0]]
            assert found.operations[run, epoch].tolist() == [row.tolist().count(o) for o in range(5)]
    assert found.seconds.tolist() == [2.0 * EPOCHS] * 6
    assert found.failed.tolist() == [reason.startswith(b"the loss") for reason in runs.endings]
    assert set(found.failed.tolist()) == {True, False}


def test_the_last_architecture_is_what_is_judged(played, runs, task):
    last = task.test_column()[task.rows(runs.genes[:, -1])]
    assert played.summaries["made/up"]["pretender"].test.mean == pytest.approx(last.mean())


def test_strategies_that_look_up_stand_beside_at_the_same_seconds(played, folder, task, known):
    (row,) = supernet_page.supernet_rows(played)
    (path,) = (folder / "runs" / "made-up" / "random_search").iterdir()
    others = Runs.load(path)
    grid = played.seconds["made/up"]
    at = grid[grid <= 2.0 * EPOCHS][-1]
    values = []
    for run in range(6):
        ended = [s for s in range(others.length[run]) if others.seconds[run, : s + 1].sum() <= at]
        best = max(ended, key=lambda s: others.valid[run, s])
        values.append(task.test_column()[task.rows(others.genes[run, best][None])[0]])
    assert row.beside == {"random_search": f"{100 * np.mean(values):.2f}"}
    assert row.seconds == "6"
    assert row.megabytes == "3.0"
    assert row.failed == int(played.supernets["made/up"]["pretender"].failed.sum())


def test_without_a_common_clock_nothing_is_compared_in_seconds(task, tmp_path, monkeypatch):
    for module in (outcomes, jobs, supernet_page):
        monkeypatch.setattr(module, "load_benchmark", lambda name, **on: task)
    board = run_board(Rules.model_validate({**RULES, "clock": "simulated"}), tmp_path, tmp_path / "runs")
    (row,) = supernet_page.supernet_rows(board)
    assert row.beside == {"random_search": "–"}
    assert np.isnan(board.summaries["made/up"]["pretender"].seconds_curve.mean).all()


def test_the_pages_show_the_table_and_the_operations(played, known, tmp_path):
    page = markdown_page(played, "x")
    (row,) = supernet_page.supernet_rows(played)
    assert f"| pretender | 6 | {row.test} | {row.beside['random_search']} | 6 | {row.kendall}" in page
    assert "operations-by-epoch.svg" in page
    written = {path.name: path for path in write_pages(played, tmp_path, "x")}
    assert {name for name in written if name.endswith(".svg")} == set(page_figure_names(played))
    figure = written["operations-by-epoch.svg"].read_text()
    assert all(name in figure for name in task_operations())
    assert "<h2>Supernets</h2>" in written["board.html"].read_text()


def task_operations():
    return ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def test_a_board_with_supernets_is_read_back_as_it_was(played, known, tmp_path):
    save_board(played, tmp_path / "results.h5")
    assert markdown_page(load_board(tmp_path / "results.h5"), "x") == markdown_page(played, "x")


def test_runs_of_different_length_are_joined(played):
    found = played.supernets["made/up"]["pretender"]
    short = type(found)(found.test[:, :2], found.operations[:, :2], *list(vars(found).values())[2:])
    joined = type(found).concatenate([short, found])
    assert joined.test.shape == (12, EPOCHS)
    assert np.isnan(joined.test[:6, 2]).all()
    assert np.isnan(joined.operations[:6, 2]).all()
    assert np.array_equal(joined.test[6:], found.test)


def test_strategies_stand_beside_only_where_a_table_says_what_looking_up_takes(played):
    assert supernet_page.beside_labels(played) == ["random_search"]
    without = replace(played, seconds={column: np.zeros(0) for column in played.seconds})
    assert supernet_page.beside_labels(without) == []
