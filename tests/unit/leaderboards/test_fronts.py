"""Fronts: against brute force and moocore's own numbers; boards of fronts, their rules and pages."""

import csv
import itertools

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.cards import CardError, read_card
from nasbench_suite.content import content_root
from nasbench_suite.leaderboards.front_board import front_table, run_front_board
from nasbench_suite.leaderboards.front_page import as_data, write_front_board
from nasbench_suite.leaderboards.front_rules import (
    FRONTS,
    FrontRules,
    Problem,
    front_boards,
    read_front_rules,
)
from nasbench_suite.leaderboards.fronts import FrontTable, Scale, nondominated
from nasbench_suite.runs import Runs
from nasbench_suite.tasks import load_benchmark

GOALS = ["valid", "latency_seconds", "params_millions"]


def beaten(values):
    return [any((b >= a).all() and (b > a).any() for b in values if np.isfinite(b).all()) for a in values]


def test_a_front_is_who_nobody_beats():
    values = np.random.default_rng(0).integers(8, size=(60, 3)).astype(float)
    values[3, 1] = values[7, 0] = -np.inf
    known = np.isfinite(values).all(axis=1)
    assert nondominated(values).tolist() == (known & ~np.array(beaten(values))).tolist()
    assert not nondominated(np.full((3, 2), -np.inf)).any()


def test_volume_is_that_of_the_cells_that_are_dominated():
    """In two objectives scaled to 0..1, with the reference at -0.1 each, by hand."""
    scale = Scale(worst=np.array([0.5, -4.0]), best=np.array([0.9, -2.0]))
    values = np.array([[0.9, -4.0], [0.7, -3.0], [0.5, -2.0], [0.1, -9.0]])
    steps = [(1.1, 0.1), (0.6, 0.5), (0.1, 0.5)]  # widths from the reference, and how much taller each is
    assert scale.volume(values) == pytest.approx(sum(width * height for width, height in steps))
    assert scale.volume(values[3:]) == 0.0
    with pytest.raises(NasbenchSuiteError, match="objective 2 is 1 all along the front"):
        Scale.of(np.array([[1.0, 1.0], [2.0, 1.0]]))


def test_a_table_is_looked_up_whole(cora):
    table = FrontTable.of(cora, GOALS, ["params_millions <= 1.2"])
    genes = cora.table.genes
    found = cora.query(genes, info=GOALS[1:])
    allowed = found.info["params_millions"] <= 1.2
    assert np.isfinite(table.valid).all(axis=1).tolist() == allowed.tolist()
    assert table.valid[allowed, 0] == pytest.approx(found.valid[allowed])
    assert table.test[allowed, 0] == pytest.approx(cora.reveal(genes[allowed]).test)
    assert table.valid[allowed, 1] == pytest.approx(-found.info["latency_seconds"][allowed])
    few = table.front[:30]
    for row in few:
        better = (table.valid >= table.valid[row]).all(axis=1) & (table.valid > table.valid[row]).any(axis=1)
        assert not better.any()
    assert table.share(table.test_front) == pytest.approx(1.0)
    assert 0.9 < table.valid_share <= 1.0
    assert [one.text for one in table.objectives] == ["valid", "min latency_seconds", "min params_millions"]


def test_what_has_no_front_is_refused(cora):
    with pytest.raises(NasbenchSuiteError, match="smallest value there is"):
        FrontTable.of(cora, GOALS, ["params_millions <= 1e-3"])
    with pytest.raises(NasbenchSuiteError, match="at least two objectives"):
        FrontTable.of(cora, ["valid"])
    with pytest.raises(NasbenchSuiteError, match="did you mean latency_seconds"):
        FrontTable.of(cora, ["valid", "latency_second"])
    with pytest.raises(NasbenchSuiteError, match="is no table"):
        FrontTable.of(load_benchmark("surrogate:graph-arxiv-mlp"), ["valid", "params_millions"])


RULES = """
title = "Two graphs"
about = "A small board."
evaluations = 40
runs = 6
transfer = true
observations = ["Seen by the test."]
[[problems]]
name = "cora"
task = "graph/cora"
objectives = ["valid", "latency_seconds"]
[[problems]]
name = "small photo"
task = "graph/photo"
objectives = ["valid", "latency_seconds", "params_millions"]
constraints = ["params_millions <= 0.2"]
[[strategies]]
strategy = "random_search"
[[strategies]]
strategy = "nsga2"
settings = { population = 8 }
[[strategies]]
strategy = "regularized_evolution"
label = "accuracy alone"
"""


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / FRONTS).write_text(RULES)
    return folder


@pytest.fixture
def board(home, data_folder):
    return run_front_board(read_front_rules(home)[1], home, home / "runs")


def test_shares_are_those_of_what_runs_deliver(board, home):
    """Recomputed from the kept records with nothing but the table's columns."""
    problem = board.rules.problems[1]
    table = front_table(problem)
    cell = board.summaries["small photo"]["nsga2"]
    runs = Runs.load(home / "runs" / "small-photo" / "nsga2" / "block-0000.h5")
    benchmark = load_benchmark("graph/photo")
    shares, sizes, optimal = [], [], []
    for genes in runs.genes:
        rows = np.unique(benchmark.rows(genes))
        rows = rows[np.isfinite(table.valid[rows]).all(axis=1)]
        kept = rows[~np.array(beaten(table.valid[rows]))]
        shares.append(table.scale.volume(table.test[kept]) / table.scale.volume(table.test[table.test_front]))
        sizes.append(len(kept))
        optimal.append(len(set(kept.tolist()) & set(table.front.tolist())))
    assert cell.share.mean == pytest.approx(np.mean(shares))
    assert cell.curve.mean[-1] == pytest.approx(np.mean(shares))
    assert (cell.size, cell.optimal) == pytest.approx((np.mean(sizes), np.mean(optimal)))
    assert runs.request["constraints"] == ["params_millions <= 0.2"]
    alone = Runs.load(home / "runs" / "cora" / "accuracy alone" / "block-0000.h5")
    assert "objectives" not in alone.request


def test_half_of_the_runs_attain_the_surface(board, home):
    cell = board.summaries["cora"]["random_search"]
    table = front_table(board.rules.problems[0])
    runs = Runs.load(home / "runs" / "cora" / "random_search" / "block-0000.h5")
    delivered = [table.test[table.delivered(table.rows(genes))] for genes in runs.genes]
    for point in cell.attained:
        reached = sum((points >= point).all(axis=1).any() for points in delivered)
        assert reached >= len(delivered) / 2


def test_a_front_at_home_is_worth_what_validation_makes_of_it(board):
    for place, known in enumerate(board.known.values()):
        assert board.transfer[place, place] == pytest.approx(known.valid_share)
    cora, photo = (front_table(problem) for problem in board.rules.problems)
    rows = photo.rows(cora.table.table.genes[cora.front])
    rows = rows[np.isfinite(photo.test[rows]).all(axis=1)]
    assert board.transfer[0, 1] == pytest.approx(photo.share(rows))


def test_pages_show_every_number(board, home):
    pages = write_front_board(board, home, "mine")
    assert {page.name for page in pages} == {
        "fronts.md",
        "fronts.csv",
        "fronts.svg",
        "fronts-by-evaluations.svg",
    }
    text = (home / "fronts.md").read_text()
    rows = list(csv.DictReader((home / "fronts.csv").read_text().splitlines()))
    assert len(rows) == 6
    for row in rows:
        assert f"{100 * float(row['share']):.1f} ({100 * float(row['share_low']):.1f}–" in text
    assert "params_millions <= 0.2" in text
    assert "Seen by the test." in text
    data = as_data(board)
    assert data["ranks"] == board.ranks()
    assert data["problems"]["cora"]["strategies"]["nsga2"]["share"] == pytest.approx(
        board.summaries["cora"]["nsga2"].share.mean
    )
    before = {page: page.read_bytes() for page in pages}
    again = run_front_board(board.rules, home, home / "runs")
    assert {page: page.read_bytes() for page in write_front_board(again, home, "mine")} == before


def test_optional_strategies_that_cannot_be_played_are_named(home, data_folder):
    broken = 'strategy = "genetic"\nlabel = "broken"\noptional = true\nsettings = { population = 1 }\n'
    (home / FRONTS).write_text(f"{RULES}[[strategies]]\n{broken}")
    board = run_front_board(read_front_rules(home)[1], home, home / "runs")
    assert list(board.skipped) == ["broken"]
    write_front_board(board, home, "mine")
    assert "population" in (home / "fronts.md").read_text()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "small photo"', 'name = "cora"', "problem 'cora' is there twice"),
        ('label = "accuracy alone"', 'label = "nsga2"', "label 'nsga2' is there twice"),
        ('["valid", "latency_seconds"]', '["valid"]', "objectives"),
        ("runs = 6", "run = 6", "did you mean runs"),
    ],
)
def test_rules_that_do_not_fit_together_are_refused(home, old, new, says):
    (home / FRONTS).write_text(RULES.replace(old, new))
    with pytest.raises(CardError, match=says):
        read_front_rules(home)


def test_boards_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"holds no fronts\.toml; boards of fronts are graph-fronts"):
        read_front_rules(tmp_path)


def test_boards_that_ship_ask_for_what_the_plan_says():
    found = {name: read_card(path / FRONTS, FrontRules) for name, path in front_boards().items()}
    assert set(found) == {"graph-fronts", "hardware-fronts"}
    assert len(found["graph-fronts"].problems) == 9
    devices = {
        objective.partition("@")[2]
        for problem in found["hardware-fronts"].problems
        for objective in problem.objectives
        if "@" in objective
    }
    assert len(devices) >= 6
    for name in found:
        assert (content_root() / "leaderboards" / name / "fronts.md").is_file()


def test_a_problem_needs_two_objectives():
    with pytest.raises(ValueError, match="at least 2"):
        Problem(name="a", task="graph/cora", objectives=["valid"])
    assert list(itertools.islice(front_boards(), 1)) == ["graph-fronts"]
