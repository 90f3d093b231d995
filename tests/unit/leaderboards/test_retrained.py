"""Published trainings made again: what is kept, how means are compared, what the page says."""

import json
from dataclasses import replace
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import pytest

from nasbench_suite.cards import CardError
from nasbench_suite.content import content_root
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.leaderboards import retrained_board
from nasbench_suite.leaderboards.published_curves import PublishedCurves, read_published
from nasbench_suite.leaderboards.retrained_board import TRAININGS, judge_retrained, retrain
from nasbench_suite.leaderboards.retrained_page import _curves, markdown_of_retrained, verdict
from nasbench_suite.leaderboards.retrained_rules import read_retrained_rules, retrained_boards
from nasbench_suite.training import checkpoint, recipes
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.trainer import Trainer

RULES = """
title = "T"
about = "A."
source = "S"
[[studies]]
title = "digits"
task = "nats_topology/cifar10-valid"
data = "digits"
recipe = "nats-size-1"
split = "test"
seeds = [1, 2]
[[studies.published]]
architecture = "0"
results = [20.0, 25.0]
[[studies.published]]
architecture = "284"
results = [30]
"""
CURVES = {name: [0.5, 0.25] for name in retrained_board._CURVES}


@pytest.fixture
def board(tmp_path):
    (tmp_path / "retrained.toml").write_text(RULES)
    return read_retrained_rules(tmp_path)


@pytest.fixture
def trainer(monkeypatch):
    """Trainings with given ends, instead of minutes of training."""
    ends = {("0", 1): 0.30, ("0", 2): 0.32, ("284", 1): 0.28, ("284", 2): 0.24}
    made = []

    def train(one, device, trainer):
        made.append((one.architecture, one.seed))
        curves = {**CURVES, "test_accuracy": [0.1, ends[one.architecture, one.seed]]}
        return {
            "key": retrained_board._key(one.study),
            "architecture": one.architecture,
            "seed": one.seed,
            "data": "digits",
            "failure": "",
            "peak_bytes": -1,
            "ran_on": {"device": device, "processor": "a CPU, 2 cores", "torch": "2"},
            "curves": curves,
        }

    monkeypatch.setattr(retrained_board, "_trained", train)
    return made


def test_means_are_compared_by_the_deviation_that_all_share(board, trainer):
    home, rules = board
    retrain(rules, home)
    (found,) = judge_retrained(rules, home).studies
    groups = [[20, 25], [30, 32], [28, 24]]
    pooled = np.sqrt(np.mean([np.var(group, ddof=1) for group in groups]))
    assert found.deviation == pytest.approx(pooled)
    zero, other = found.rows
    assert zero.difference == pytest.approx(31 - 22.5)
    assert zero.standard_error == pytest.approx(pooled * np.sqrt(1 / 2 + 1 / 2))
    assert other.standard_error == pytest.approx(pooled * np.sqrt(1 / 1 + 1 / 2))
    assert [zero.agrees, other.agrees] == [False, True]


def test_studies_with_one_recipe_share_their_deviation(tmp_path, trainer):
    """Of other data, whose published results count once; not of another split."""
    study = RULES.partition("[[studies]]")[2].replace("[1, 2]", "[1]")
    more = study.replace('data = "digits"', 'data = "mnist1d"').replace("[30]", "[30, 31]")
    away = study.replace('"test"', '"valid"').replace("[20.0, 25.0]", "[20.0, 60.0]")
    (tmp_path / "retrained.toml").write_text(f"{RULES}[[studies]]{more}[[studies]]{away}")
    home, rules = read_retrained_rules(tmp_path)
    retrain(rules, home)
    first, second, third = judge_retrained(rules, home).studies
    groups = [[20, 25], [30, 31], [30, 32], [28, 24]]
    pooled = np.sqrt(np.mean([np.var(group, ddof=1) for group in groups]))
    assert first.deviation == second.deviation == pytest.approx(pooled)
    assert third.deviation == pytest.approx(np.std([20, 60], ddof=1))


def test_what_is_there_is_not_trained_again(board, trainer):
    home, rules = board
    retrain(rules, home)
    records = json.loads((home / TRAININGS).read_text())
    (home / TRAININGS).write_text(json.dumps([records[0], records[2], records[3]]))
    trainer.clear()
    done = []
    retrain(rules, home, progress=lambda *counts: done.append(counts))
    assert trainer == [("284", 1)]
    assert done[-1] == (4, 4)


def test_a_training_that_was_cut_off_goes_on(tmp_path, monkeypatch):
    (tmp_path / "retrained.toml").write_text(RULES.replace("nats-size-1", "quick").replace("[1, 2]", "[1]"))
    quick = replace(get_recipe("nats-size-12"), name="quick", epochs=3, batch=500)
    monkeypatch.setattr(recipes, "RECIPES", {"quick": quick})
    monkeypatch.setattr(retrained_board, "Trainer", partial(Trainer, checkpoint_seconds=0.0))
    monkeypatch.setattr(checkpoint, "environment", lambda device, **how: {"device": "a GPU", "torch": "2"})
    home, rules = read_retrained_rules(tmp_path)
    told = []

    class KilledError(Exception):
        pass

    def kill(done, total):
        told.append((done, total))
        if len(told) == 3:
            raise KilledError

    with pytest.raises(KilledError):
        retrain(rules, home, progress=kill)
    assert told == [(0, 6), (1, 6), (2, 6)]
    assert len(list(home.glob("*.checkpoint"))) == 1
    monkeypatch.setattr(checkpoint, "environment", lambda device, **how: {"device": "another", "torch": "2"})
    told.clear()
    retrain(rules, home, progress=lambda *counts: told.append(counts))
    assert told == [(0, 6), (2, 6), (3, 6), (3, 6), (4, 6), (5, 6), (6, 6), (6, 6)]
    assert not list(home.glob("*.checkpoint"))
    first, second = json.loads((home / TRAININGS).read_text())
    assert len(first["curves"]["train_loss"]) == 3
    moved = {"device": "another", "torch": "2", "before": "up to epoch 1 on a GPU, PyTorch 2"}
    assert [first["ran_on"], second["ran_on"]] == [moved, {"device": "another", "torch": "2"}]
    page = markdown_of_retrained(judge_retrained(rules, home), "made", "figure.svg")
    assert "on another, PyTorch 2 (up to epoch 1 on a GPU, PyTorch 2); another, PyTorch 2." in page
    (home / TRAININGS).write_text(json.dumps([second]))
    retrain(rules, home)  # the same numbers from the beginning
    again = json.loads((home / TRAININGS).read_text())[1]
    exact = ("train_loss", "train_accuracy", "test_accuracy")
    assert [again["curves"][name] for name in exact] == [first["curves"][name] for name in exact]


def test_another_recipe_is_another_training(board, trainer):
    home, rules = board
    retrain(rules, home)
    (home / "retrained.toml").write_text(RULES.replace("nats-size-1", "nats-size-12"))
    _, changed = read_retrained_rules(home)
    (found,) = judge_retrained(changed, home).studies
    assert [row.ours for row in found.rows] == [[], []]
    page = markdown_of_retrained(judge_retrained(changed, home), "command", "figure.svg")
    assert "not trained" in page
    assert "cannot be said" in page


def test_trainings_of_another_precision_are_others(board, trainer):
    home, rules = board
    retrain(rules, home)
    (home / "retrained.toml").write_text(RULES.replace("[1, 2]", '[1, 2]\nprecision = "bfloat16"'))
    _, changed = read_retrained_rules(home)
    (found,) = judge_retrained(changed, home).studies
    assert [row.ours for row in found.rows] == [[], []]


def test_curves_are_drawn_where_they_were_evaluated(board, trainer):
    home, rules = board
    retrain(rules, home)
    records = json.loads((home / TRAININGS).read_text())
    for record in records:
        record["curves"]["test_accuracy"] = [0.1, None, None, 0.3]
    (home / TRAININGS).write_text(json.dumps(records))
    figure, axes = plt.subplots()
    _curves({"0": "C0", "284": "C1"}, axes, (judge_retrained(rules, home).studies[0], "test"))
    drawn = [line.get_xydata().tolist() for line in axes.get_lines() if line.get_linestyle() == "-"]
    plt.close(figure)
    assert [points for points in drawn if points] == [[[1, 10], [4, 30]]] * 4


def test_published_curves_are_drawn_and_told_beside_ours(board, trainer):
    home, rules = board
    retrain(rules, home)
    of = {"task": "nats_topology/cifar10-valid", "recipe": "nats-size-1", "split": "test"}
    ours = PublishedCurves(
        **of, architecture="284", seed=7, epochs=[1, 2], train_accuracy=[11, 36], accuracy=[10, 30]
    )
    others = [replace(ours, architecture="11"), replace(ours, recipe="short"), replace(ours, split="valid")]
    judged = judge_retrained(rules, home, [ours, *others])
    assert [row.published_curves for row in judged.studies[0].rows] == [[], [ours]]
    for split, values in (("test", [10, 30]), ("train", [11, 36])):
        figure, axes = plt.subplots()
        _curves({"0": "C0", "284": "C1"}, axes, (judged.studies[0], split))
        dotted = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
        dots = [line for line in axes.get_lines() if line.get_marker() == "o"]
        plt.close(figure)
        assert [line.get_xydata().tolist() for line in dotted] == [[[1, values[0]], [2, values[1]]]]
        assert dotted[0].get_color() == "C1"
        assert len(dots) == (2 if split == "test" else 0)
    page = markdown_of_retrained(judged, "made", "f.svg")
    assert "| 36.00; 25.00, 25.00 |" in page
    assert "| –; 25.00, 25.00 |" in page


@pytest.mark.parametrize(
    ("least", "most", "word"),
    [(0, 0, "differs"), (1, 3.87, "differs"), (1, 3.88, "differs by the loss"), (4.13, 9, "differs")],
)
def test_means_may_differ_by_what_the_data_lose(board, trainer, least, most, word):
    """26 for 30, with a standard error of 0.06: the loss may be 3.88 to 4.12."""
    home, _ = board
    loss = f'source = "S"\n[loss]\nleast = {least}\nmost = {most}\nsource = "those who saw it"'
    (home / "retrained.toml").write_text(RULES.replace('source = "S"', loss))
    _, rules = read_retrained_rules(home)
    retrain(rules, home)
    judged = judge_retrained(rules, home)
    row = replace(judged.studies[0].rows[1], ours=[26.0], standard_error=0.06)
    assert verdict(row, rules.loss) == word
    assert verdict(row, None) == "differs"
    said = f"These data are reported to cost {float(least)} to {float(most)} points against those"
    assert said in markdown_of_retrained(judged, "c", "f.svg")


def test_a_loss_in_the_wrong_order_is_refused(tmp_path):
    loss = 'source = "S"\n[loss]\nleast = 3\nmost = 2\nsource = "L"'
    (tmp_path / "retrained.toml").write_text(RULES.replace('source = "S"', loss))
    with pytest.raises(CardError, match=r"the least loss, 3\.0, is above the most, 2\.0"):
        read_retrained_rules(tmp_path)


def test_a_failed_training_is_said_and_not_averaged(board, trainer):
    home, rules = board
    retrain(rules, home)
    records = json.loads((home / TRAININGS).read_text())
    records[0]["failure"] = "the loss became nan in epoch 1"
    records[0]["curves"]["test_accuracy"] = [None, None]
    (home / TRAININGS).write_text(json.dumps(records))
    (found,) = judge_retrained(rules, home).studies
    assert found.rows[0].ours == [pytest.approx(32.0)]
    assert "the loss became nan" in markdown_of_retrained(judge_retrained(rules, home), "c", "f.svg")


@pytest.mark.parametrize("content", ["{", "[{}]", "[1]", '[{"key": "k", "architecture": "0", "seed": 1}]'])
def test_a_damaged_file_is_refused_and_kept(board, content):
    home, rules = board
    (home / TRAININGS).write_text(content)
    with pytest.raises(DamagedFileError, match=r"trainings\.json is damaged"):
        retrain(rules, home)
    assert (home / TRAININGS).read_text() == content


def test_rules_that_repeat_themselves_are_refused(tmp_path):
    (tmp_path / "retrained.toml").write_text(RULES.replace("[1, 2]", "[1, 1]"))
    with pytest.raises(CardError, match="seed 1 is there twice"):
        read_retrained_rules(tmp_path)


def test_a_folder_without_rules_names_those_that_have_them(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"holds no retrained\.toml"):
        read_retrained_rules(tmp_path)


@pytest.mark.parametrize("name", retrained_boards())
def test_shipped_pages_are_those_of_their_trainings(name):
    home, rules = read_retrained_rules(name)
    assert home == content_root() / "leaderboards" / name
    page = (home / "retrained.md").read_text()
    command = f"nasbench-suite leaderboard retrain {name} --device cuda"
    published = read_published(home)
    assert page == markdown_of_retrained(judge_retrained(rules, home, published), command, "retrained.svg")
