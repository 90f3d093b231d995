"""Results over costs: the front of a table, found here by comparing every pair, and what picks cost."""

from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite import load_benchmark
from nasbench_suite.leaderboards import cost_fronts as module
from nasbench_suite.leaderboards.cost_fronts import MOST_PICKS, cost_fronts, costs_of
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.tabular import Table, TabularBenchmark

RULES = {
    "title": "Costs",
    "summary": "Made up.",
    "tasks": ["graph/proteins"],
    "evaluations": 10,
    "runs": 60,
    "resamples": 20,
    "strategies": [{"strategy": "random_search"}, {"strategy": "regularized_evolution"}],
}


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    return run_board(Rules.model_validate(RULES), folder, folder / "runs")


@pytest.fixture(scope="module")
def proteins():
    return load_benchmark("graph/proteins")


def column(benchmark, name):
    return benchmark.table.columns[name][:, 0, -1]


def test_costs_are_what_an_architecture_takes_and_no_losses(proteins):
    assert costs_of(proteins) == ["latency_seconds", "params_millions"]
    assert costs_of(load_benchmark("macro/mnist1d")) == ["flops_millions", "params_millions"]


@pytest.mark.parametrize("cost", ["latency_seconds", "params_millions"])
def test_the_front_is_what_none_beats_in_both(board, proteins, cost):
    x, y = column(proteins, cost), column(proteins, proteins.test_metric)
    beaten = [bool(((x <= a) & (y >= b) & ((x < a) | (y > b))).any()) for a, b in zip(x, y, strict=True)]
    expected = sorted((a, 100 * b) for a, b, lost in zip(x, y, beaten, strict=True) if not lost)
    front = cost_fronts(board)["graph/proteins"][cost]["front"]
    np.testing.assert_allclose([(p["x"], p["y"]) for p in front], expected, rtol=1e-4)
    assert 2 < len(front) < 200


def test_picks_are_those_of_most_runs_with_the_numbers_of_the_table(board, proteins):
    found = cost_fronts(board)["graph/proteins"]["params_millions"]
    assert found["unit"] == "M"
    assert found["higher"]
    for label in board.labels:
        mine = [row for row in found["picks"] if row["strategy"] == label]
        runs = np.sort(board.picks["graph/proteins"][label].runs)[::-1]
        assert [row["runs"] for row in mine] == runs[:MOST_PICKS].tolist()
        rows = proteins.table.row_index.rows(
            np.stack([proteins.space.parse(row["architecture"]) for row in mine])
        )
        np.testing.assert_allclose(
            [row["x"] for row in mine], column(proteins, "params_millions")[rows], rtol=1e-4
        )
        np.testing.assert_allclose(
            [row["y"] for row in mine], 100 * column(proteins, proteins.test_metric)[rows], rtol=1e-4
        )


def test_boards_without_picks_or_tables_have_none(board, monkeypatch):
    assert cost_fronts(replace(board, picks={})) == {}

    def missing(task):
        raise module.NasbenchSuiteError(f"{task} is not here.")

    monkeypatch.setattr(module, "open_table", missing)
    assert cost_fronts(board) == {}


def test_smaller_test_results_may_be_better(board, monkeypatch, proteins):
    """A table that calls its test result an error to be minimised has the front of small values."""
    metrics = dict(proteins.metrics)
    metrics |= {
        n: replace(metrics[n], direction="min") for n in (proteins.test_metric, proteins.valid_metric)
    }
    table = proteins.table
    columns = {name: table.columns[name] for name in metrics}
    turned = TabularBenchmark(Table(table.description, table.genes, table.epochs, metrics, columns))
    monkeypatch.setattr(module, "open_table", lambda task: turned)
    found = cost_fronts(board)["graph/proteins"]["params_millions"]
    assert not found["higher"]
    results = [point["y"] for point in found["front"]]
    assert results == sorted(results, reverse=True)  # what costs more is better, so smaller
    assert min(results) == pytest.approx(100 * column(proteins, proteins.test_metric).min(), rel=1e-4)
