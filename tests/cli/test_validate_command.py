"""`nasbench-suite validate` as a user runs it: a board is played, its picks are trained, pages appear."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nasbench_suite.tabular import Table
from nasbench_suite.tabular.table import save_table

ROOT = Path(__file__).resolve().parents[2]
BUILD = """
benchmark = "tiny"
task = "tiny/mnist1d"
space = "nats_topology"
recipe = "short"
seeds = [0]
[data]
name = "mnist1d"
train = 200
valid = 100
test = 100
[skeleton]
inputs = 1
classes = 10
dims = 1
width = 4
style = "light"
"""
RULES = """
title = "A tiny board"
summary = "Two strategies on cells that train in a blink."
tasks = ["tiny/mnist1d"]
evaluations = 20
runs = 4
resamples = 50
[[strategies]]
strategy = "random_search"
[[strategies]]
strategy = "regularized_evolution"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory, make_table):
    """A folder with content of its own (one build), a table of its task, and the rules of a board."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "strategies", home / "content" / "strategies")
    for folder in ("leaderboards", "surrogates", "tabular/tiny"):
        (home / "content" / folder).mkdir(parents=True)
    (home / "content" / "tabular" / "tiny" / "build.toml").write_text(BUILD)
    made = make_table()
    description = made.description.model_copy(update={"task": "tiny/mnist1d"})
    table = Table(description, made.genes, made.epochs, made.metrics, made.columns)
    save_table(table, home / "data" / "tables-2" / "tiny" / "mnist1d.h5")
    (home / "board").mkdir()
    (home / "board" / "rules.toml").write_text(RULES)
    return home


@pytest.fixture(scope="module")
def cli(home):
    def run(*arguments, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "nasbench_suite.cli", *arguments],
            capture_output=True,
            text=True,
            cwd=home,
            env={
                **os.environ,
                "NASBENCH_SUITE_CONTENT": str(home / "content"),
                "NASBENCH_SUITE_DATA": str(home / "data"),
                "OMP_NUM_THREADS": "1",
                "COLUMNS": "200",
            },
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture(scope="module")
def played(cli, home):
    cli("leaderboard", "run", "board", "--jobs", "1")
    return home / "board"


def test_validate_trains_the_picks_and_writes_pages(cli, played):
    printed = cli("validate", "board", "--top", "1", "--seeds", "2")
    assert "tiny/mnist1d: the table is optimistic by" in printed  # its made-up numbers lie around 1
    assert "ensemble of top 2" in printed
    page = (played / "validation.md").read_text()
    assert "seeds 1001, 1002" in page
    assert "recipe `short`" in page
    assert (played / "validation.csv").read_text().startswith("column,architecture,picked_by")
    assert "<svg" in (played / "validation.svg").read_text()
    assert len(list((played / "validation").glob("*/seed-100[12]-*.npz"))) == 4

    shutil.rmtree(played / "runs")  # the board itself keeps what its runs ended with
    again = json.loads(cli("validate", "board", "--top", "1", "--seeds", "2", "--json", "--out", "other.md"))
    (column,) = again["columns"].values()
    assert [pick["trained"]["test"]["trainings"] for pick in column["picks"]] == [2, 2]
    assert (played.parent / "other.md").read_text() == page.replace("validation.svg", "other.svg")


def test_searches_by_training_find_the_same_with_workers(cli, home):
    asked = "search", "training:tiny/mnist1d", "--strategy", "regularized_evolution", "--runs", "2"
    found = []
    for jobs in "21":
        found.append(json.loads(cli(*asked, "--evaluations", "3", "--json", "--jobs", jobs)))
        shutil.rmtree(home / "data" / "trainings")
    for name in ("test_mean", "valid_mean", "best_architecture", "best_valid"):
        assert found[0][name] == found[1][name]


def test_a_data_set_that_is_not_there_is_one_sentence(cli, played, home):
    complaint = cli("validate", "board", "--data", "cifar10-valid", code=2)
    assert (
        f"cifar10 is not in {home / 'data' / 'datasets' / 'cifar10'}; put cifar-10-python.tar.gz" in complaint
    )


def test_help_loads_no_torch():
    heavy = "{'torch', 'scipy', 'matplotlib'}"
    code = f"import sys, nasbench_suite.cli.app; assert not {heavy} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
