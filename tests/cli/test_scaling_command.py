"""`nasbench-suite scaling` and `nasbench-suite leaderboard scaling` as a user runs them."""

import json

import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.cli.check import _check_scaling

TASK = ("graph/proteins", "--cost", "params_millions", "--resamples", "20")
RULES = """
title = "Two"
about = "Made up."
resamples = 20
[[tasks]]
task = "graph/proteins"
cost = "params_millions"
board = "nas-bench-graph"
[[tasks]]
task = "nats_topology/mnist1d"
cost = "flops_millions"
"""


def test_a_task_prints_its_laws_and_writes_nothing(cli, tmp_path):
    printed = cli("scaling", *TASK)
    assert "error = a C^-b + c" in printed
    assert "2,021" in printed
    assert "picks" not in printed
    assert list(tmp_path.iterdir()) == []


def test_picks_of_a_board_and_files(cli, tmp_path):
    printed = cli("scaling", *TASK, "--board", "nas-bench-graph", "--out", "found")
    assert "picks of nas-bench-graph, judged by test_roc_auc" in printed
    assert sorted(path.name for path in (tmp_path / "found").iterdir()) == [
        "scaling.csv",
        "scaling.md",
        "scaling.svg",
    ]
    page = (tmp_path / "found" / "scaling.md").read_text()
    assert "--cost params_millions --board nas-bench-graph" in page
    assert "regularized_evolution | 500" in page


def test_json_has_a_line_for_each_law_and_strategy(cli):
    lines = json.loads(cli("scaling", *TASK, "--board", "nas-bench-graph", "--json"))
    assert len(lines) == 2 * (1 + 1 + 7)
    assert lines[0]["row"] == "all"
    assert lines[0]["b_low"] <= lines[0]["b"] <= lines[0]["b_high"]
    assert lines[0]["missing"] == 0


def test_rules_of_several_tasks(cli, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scaling.toml").write_text(RULES)
    printed = cli("leaderboard", "scaling", "mine", "--out", "out")
    assert printed.count("frontier") == 4
    page = (tmp_path / "out" / "scaling.md").read_text()
    assert "Made by `nasbench-suite leaderboard scaling mine`" in page
    assert "### graph/proteins by params_millions, board nas-bench-graph" in page
    assert "### nats_topology/mnist1d" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("scaling", "graph/proteins", "--cost", "params"), "did you mean params_millions"),
        (("scaling", "graph/protein", "--cost", "params_millions"), "did you mean graph/proteins"),
        (("scaling", *TASK, "--confidence", "95"), "--confidence lies between 0 and 1"),
        (("scaling", *TASK, "--board", "mnist1d"), "has nothing to do with graph/proteins"),
        (("scaling", *TASK, "--board", "hardware-help"), "hardware-help"),
        (("scaling", "nats_size/cifar100", "--cost", "flops_millions"), "is not here; import it"),
        (("leaderboard", "scaling", "nowhere"), "nowhere holds no scaling.toml; folders that do are scaling"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(cli, arguments, message):
    assert message in " ".join(cli(*arguments, code=2).split())


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("nas-bench-graph", "nowhere", "nowhere"),
        ("graph/proteins", "graph/protein", "did you mean graph/pro"),
    ],
)
def test_check_refuses_rules_with_names_of_nothing(tmp_path, monkeypatch, old, new, says):
    (tmp_path / "scaling.toml").write_text(RULES)
    monkeypatch.setattr("nasbench_suite.cli.check.scaling_boards", lambda: {"mine": tmp_path})
    _check_scaling("mine")
    (tmp_path / "scaling.toml").write_text(RULES.replace(old, new))
    with pytest.raises(NasbenchSuiteError, match=says):
        _check_scaling("mine")
