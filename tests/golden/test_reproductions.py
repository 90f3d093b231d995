"""The published comparisons on NAS-Bench-201 and NATS-Bench, from the published table of all 15,625 cells.

The table comes from a CSV file of exports; everything from the import to the verdicts is exercised.
"""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from nasbench_suite import load_benchmark
from nasbench_suite.cli.app import app
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.published import compare
from nasbench_suite.leaderboards.results import load_board
from nasbench_suite.leaderboards.rules import find_leaderboard, leaderboard_folders, read_rules

# NATS-Bench, Table 4 and its optima, typed in here once more; (validation, test) in percent.
OPTIMA = {"CIFAR-10": (91.61, 94.37), "CIFAR-100": (73.49, 73.51), "ImageNet16-120": (46.73, 47.31)}
RESNET = {"CIFAR-10": (90.86, 93.91), "CIFAR-100": (70.50, 70.89), "ImageNet16-120": (44.10, 44.23)}
RESNET_INDEX = "11472"
NINE_ROWS = {
    "regularized_evolution": ((91.25, 94.02), (72.28, 72.23), (45.71, 45.77)),
    "reinforce": ((91.12, 93.90), (71.80, 71.86), (45.37, 45.64)),
    "random_search": ((91.07, 93.86), (71.46, 71.55), (45.03, 45.28)),
}


@pytest.fixture(scope="module")
def nats_tables(shared_data, tmp_path_factory, pytestconfig):
    """The seven tasks of the topology space, imported from the CSV into a data folder of their own."""
    folder = tmp_path_factory.mktemp("nats")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_SUITE_DATA", str(folder))
        file = shared_data / "nats_topology" / "accuracy.csv.gz"
        mapping = pytestconfig.rootpath / "tabular" / "nats_topology" / "from-csv.toml"
        done = CliRunner().invoke(app, ["import", "table", str(file), "--mapping", str(mapping), "--quiet"])
        assert done.exit_code == 0, done.output
        yield folder


@pytest.fixture(scope="module")
def nats_board(nats_tables, tmp_path_factory):
    home = find_leaderboard("nats-topology")
    return run_board(read_rules(home), home, tmp_path_factory.mktemp("runs"))


def test_the_nine_published_rows_are_reproduced(nats_board):
    comparisons = [c for c in compare(nats_board) if c.strategy in NINE_ROWS]
    assert len(comparisons) == 18
    for c in comparisons:
        place = ("valid", "test").index(c.quantity)
        published = NINE_ROWS[c.strategy][list(OPTIMA).index(c.column)][place]
        assert c.published_mean == published
        assert c.runs == 500
        tolerance = 0.1 if c.column == "CIFAR-10" else 0.15
        assert abs(c.mean - published) <= tolerance + 0.005, c
        assert abs(c.sd - c.published_sd) <= 0.2 * c.published_sd + 0.005, c
        assert c.agrees


def test_the_optimum_of_every_column_is_the_published_one(nats_board):
    for column, optimum in OPTIMA.items():
        reference = nats_board.references[column]
        found = (100 * reference.best_valid, 100 * reference.best_test)
        assert np.allclose(found, optimum, atol=0.005), (column, found)


def test_the_published_reference_cell_has_its_published_results(nats_tables):
    home = find_leaderboard("nats-topology")
    for column in read_rules(home).columns:
        valid, test = load_benchmark(column.valid), load_benchmark(column.test)
        cell = valid.space.parse(RESNET_INDEX)[None]
        found = (100 * valid.query(cell).valid[0], 100 * test.reveal(cell).test[0])
        assert np.allclose(found, RESNET[column.name], atol=0.006), (column.name, found)


@pytest.mark.parametrize("name", ["nats-topology", "nasbench201-table5"])
def test_the_kept_board_is_what_is_played(name, nats_tables, nats_board, tmp_path):
    home = leaderboard_folders()[name]
    kept = load_board(home / "results.h5")
    board = nats_board if name == "nats-topology" else run_board(read_rules(home), home, tmp_path)
    # Strategies on NumPy are the same on every machine; means over runs differ at most in the last digits.
    for column in board.columns:
        for label in board.labels:
            found, expected = board.summaries[column][label], kept.summaries[column][label]
            assert found.test.mean == pytest.approx(expected.test.mean, rel=1e-12)
            assert found.valid.sd == pytest.approx(expected.valid.sd, rel=1e-9)


def test_table_5_says_what_does_not_reproduce_and_why(nats_tables, tmp_path):
    done = CliRunner().invoke(
        app, ["reproduce", "nasbench201-table5", "--out", str(tmp_path), "--jobs", "1", "--json", "--quiet"]
    )
    assert done.exit_code == 0, done.output
    answer = json.loads(done.stdout)
    by_strategy = {}
    for c in answer["comparisons"]:
        by_strategy.setdefault(c["strategy"], []).append(c)
    assert all(c["agrees"] for c in by_strategy["random_search"])
    assert all(c["agrees"] for c in by_strategy["reinforce, learning rate 0.1"])
    too_fast = by_strategy["reinforce, learning rate 0.5"]
    assert not any(c["mean_agrees"] for c in too_fast)
    for comparisons in by_strategy.values():
        for c in comparisons:
            assert c["agrees"] or c["note"], c
    page = (tmp_path / "board.md").read_text()
    assert "Beside the published results" in page
    assert too_fast[0]["verdict"] in page


def test_the_short_schedule_is_a_table_of_its_own(nats_tables):
    short = load_benchmark("nats_topology/cifar10-valid@12")
    long = load_benchmark("nats_topology/cifar10-valid")
    cells = short.space.sample(np.random.default_rng(0), 50)
    # Cells that are cut off from their input stay at chance under either schedule; no other agrees.
    a, b = short.query(cells).valid, long.query(cells).valid
    assert (np.abs(a[a == b] - 0.1) < 0.01).all()
    assert np.count_nonzero(a != b) >= 40
    assert short.fidelities == (12,)
