"""`nasbench-suite transfer` as a user runs it."""

import csv
import io
import json
from functools import partial

import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.cli.transfer import _tasks, transfer

RULES = """
title = "Two graphs"
summary = "One strategy."
tasks = ["graph/cora", "graph/arxiv", "graph/proteins"]
evaluations = 30
runs = 6
resamples = 50
[[strategies]]
strategy = "random_search"
"""


@pytest.fixture
def cli(cli):
    return partial(cli, both=True)


def test_transfer_of_a_board(cli, tmp_path):
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "rules.toml").write_text(RULES)
    board = json.loads(cli("leaderboard", "run", "board", "--jobs", "1", "--json").partition("\npage:")[0])
    printed = cli("transfer", "board")
    assert "graph/proteins is left out: no other task here has its space, graph_proteins." in printed
    lines = list(csv.DictReader(io.StringIO((tmp_path / "board" / "transfer.csv").read_text())))
    assert [(line["searched"], line["judged"]) for line in lines] == [
        (row, column) for row in ("graph/cora", "graph/arxiv") for column in ("graph/cora", "graph/arxiv")
    ]
    for line in lines:
        if line["searched"] == line["judged"]:
            played = board["tasks"][line["judged"]]["strategies"]["random_search"]["test"]
            assert float(line["test_mean"]) == pytest.approx(played["mean"], rel=1e-7)
            assert float(line["test_sd"]) == pytest.approx(played["sd"], rel=1e-6)
    assert "<svg" in (tmp_path / "board" / "transfer.svg").read_text()
    assert "## Space graph" in (tmp_path / "board" / "transfer.md").read_text()


def test_transfer_of_tasks_writes_nothing_unless_asked(cli, tmp_path):
    tasks = ("graph/cora", "graph/pubmed", "graph/proteins")
    assert "best 1 by validation" in cli("transfer", *tasks, "--top", "1")
    assert list(tmp_path.iterdir()) == []
    printed = cli("transfer", *tasks, "--top", "3", "--out", "t/page.md", "--json")
    data = json.loads(printed.partition("\ngraph/p")[0])
    assert data["spaces"]["graph"]["searched"] == ["graph/cora", "graph/pubmed"]
    assert list(data["alone"]) == ["graph/proteins"]
    assert sorted(path.name for path in (tmp_path / "t").iterdir()) == ["page.csv", "page.md", "page.svg"]


def test_a_benchmark_stands_for_its_tasks():
    assert len(_tasks(["graph", "graph/cora"])) == 9
    assert _tasks(["graph/cs", "graph"])[:2] == ["graph/cs", "graph/cora"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["graph/cora", "graph/proteins"],
            "nothing can be transferred: no two of these tasks share a search space",
        ),
        (["graph/cora", "graph/corra"], "did you mean graph/cora"),
        (["nasbench101"], "no table of nasbench101 is here; import it first"),
        (["no-such-board"], "no task 'no-such-board'"),
    ],
)
def test_what_cannot_be_transferred_is_one_sentence(data_folder, arguments, message):
    with pytest.raises(NasbenchSuiteError, match=message):
        transfer(arguments, top=1, out=None, as_json=False)
