"""The command line as a user runs it: as a subprocess, judged by exit code, output and files."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import h5py
import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "nasbench_suite.cli"]

MINE = """
from nasbench_suite import SingleRunStrategy

class Mine(SingleRunStrategy):
    patience: int = 5

    def setup(self):
        self.best = None

    def propose(self):
        if self.best is None:
            return self.space.sample(self.rng, 1)[0]
        return self.space.mutate(self.rng, self.best[1][None])[0]

    def observe(self, genes, score):
        if self.best is None or score > self.best[0]:
            self.best = (score, genes)

class Wrong(SingleRunStrategy):
    def propose(self):
        import numpy as np
        return np.array([0, 8, 8, 8, 8], dtype=np.uint8)

    def observe(self, genes, score):
        pass
"""

RULES = """
title = "A small board"
summary = "Two strategies on two graphs."
tasks = ["graph/cora", "graph/proteins"]
evaluations = 30
runs = 20
resamples = 100

[[strategies]]
strategy = "random_search"

[[strategies]]
strategy = "regularized_evolution"
settings = { population = 5 }
"""


@pytest.fixture
def cli(cli, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    return cli


@pytest.fixture
def board(tmp_path):
    folder = tmp_path / "board"
    folder.mkdir()
    (folder / "rules.toml").write_text(RULES)
    return folder


def test_help_of_every_command_has_an_example(cli):
    for command in (["list"], ["show"], ["query"], ["search"], ["check"], ["leaderboard", "run"]):
        assert f"nasbench-suite {' '.join(command)}" in cli(*command, "--help")


def test_list_names_tasks_and_strategies(cli):
    found = json.loads(cli("list", "--json"))
    assert "graph/cora" in found["benchmarks"]
    assert "regularized_evolution" in found["strategies"]
    assert "nas-bench-graph" in found["leaderboards"]


def test_show_gives_hyperparameters_with_sources(cli):
    card = json.loads(cli("show", "regularized_evolution", "--json"))
    assert card["hyperparameters"]["population"]["value"] == 10
    assert "NATS-Bench" in card["hyperparameters"]["population"]["source"]


def test_query_gives_the_published_best_cell_of_cora(cli):
    (row,) = json.loads(cli("query", "graph/cora", "0122:fc,gat,gcn,graph", "--json"))
    assert row["test_accuracy"] == pytest.approx(0.8313, abs=5e-5)


def test_check_finds_everything_in_order(cli):
    assert "0 with problems" in cli("check", "--quiet")


@pytest.fixture
def two_tasks(tmp_path):
    """Content with nothing but the datasheet of graph, of which two tasks are left; a data folder."""
    for folder in ("strategies", "leaderboards", "surrogates", "tabular"):
        (tmp_path / "content" / folder).mkdir(parents=True)
    sheet = tmp_path / "content" / "tabular" / "graph" / "datasheet.toml"
    shutil.copytree(ROOT / "tabular" / "graph", sheet.parent)
    text = re.sub(r"\[tasks\.(?!cora|proteins)\w+\]\n([^\[\n].*\n)*", "", sheet.read_text(encoding="utf-8"))
    sheet.write_text(text, encoding="utf-8")
    data = tmp_path / "data"
    return {"NASBENCH_SUITE_CONTENT": str(tmp_path / "content"), "NASBENCH_SUITE_DATA": str(data)}


def test_check_verifies_every_array_of_every_table_that_is_here(cli, tmp_path, two_tasks):
    assert cli("check", env=two_tasks) == "3 checked, 0 with problems\n"
    table = tmp_path / "data" / "tables-2" / "graph" / "proteins.h5"
    whole = table.read_bytes()
    with h5py.File(table) as file:
        names = ["genes", "index", *(f"metrics/{name}" for name in file["metrics"])]
        places = {name: file[name].id.get_offset() for name in names}
    assert len(places) == 6
    for place in places.values():
        table.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        error = cli("check", code=2, env=two_tasks)
        assert error.startswith("error: table graph/proteins: ")
        assert "proteins.h5 is truncated or corrupt" in error
        assert error.count("\n") == 1


def test_check_says_which_tables_must_be_imported_first_and_skips_them(cli, tmp_path, two_tasks):
    sheet = tmp_path / "content" / "tabular" / "graph" / "datasheet.toml"
    text = sheet.read_text(encoding="utf-8")
    sheet.write_text(re.sub(r"(?m)^importer = .*$", 'importer = "nats-topology"', text), encoding="utf-8")
    board = tmp_path / "content" / "leaderboards" / "board"
    board.mkdir()
    shutil.copy(ROOT / "strategies" / "random_search.toml", tmp_path / "content" / "strategies")
    rules = RULES[: RULES.rindex("[[strategies]]")]
    (board / "rules.toml").write_text(rules)
    found = json.loads(cli("check", "--json", env=two_tasks))
    assert found == {
        "checked": ["strategy random_search", "datasheet graph", "leaderboard board"],
        "skipped": ["graph/cora", "graph/proteins"],
        "problems": {},
    }
    assert cli("check", env=two_tasks) == (
        "3 checked, 0 with problems, 2 tables not here (import or build them first): "
        "graph/cora, graph/proteins\n"
    )
    (board / "rules.toml").write_text(rules.replace("graph/cora", "graph/corra"))
    assert "leaderboard board: there is no task 'graph/corra'" in cli("check", code=2, env=two_tasks)


def test_check_finds_a_table_under_the_name_of_another(cli, tmp_path, two_tasks):
    cli("check", env=two_tasks)
    table = tmp_path / "data" / "tables-2" / "graph" / "proteins.h5"
    shutil.copy(table, table.with_name("cora.h5"))
    error = cli("check", code=2, env=two_tasks)
    assert error.startswith("error: table graph/cora: the file is the table of graph/proteins; ")


def test_check_finds_generators_that_were_trained_otherwise(cli, tmp_path):
    for folder in ("strategies", "leaderboards", "surrogates"):
        (tmp_path / "content" / folder).mkdir(parents=True)
    home = tmp_path / "content" / "tabular" / "gan-mnist1d"
    shutil.copytree(ROOT / "tabular" / "gan-mnist1d", home)
    env = {"NASBENCH_SUITE_CONTENT": str(tmp_path / "content"), "NASBENCH_SUITE_DATA": str(tmp_path / "data")}
    assert cli("check", env=env) == "3 checked, 0 with problems\n"
    plan = home / "gan.toml"
    text = plan.read_text(encoding="utf-8")
    plan.write_text(text.replace("gan-short", "gan-images"), encoding="utf-8")
    error = cli("check", code=2, env=env)
    assert error.startswith("error: generators gan-mnist1d: ")
    assert "is not what gan.toml beside it asks for; build it again." in error
    plan.write_text(text, encoding="utf-8")
    (home / "classifier.h5").unlink()
    assert "classifier.h5 cannot be read" in cli("check", code=2, env=env)


def test_search_keeps_records_that_read_back(cli, tmp_path):
    out = cli(
        *"search graph/cora --strategy genetic --runs 300 --evaluations 40 --out g.h5 --jobs 2 --json".split()
    )
    from nasbench_suite import Runs

    runs = Runs.load(tmp_path / "g.h5")
    assert runs.sha256() == json.loads(out)["sha256"]
    assert runs.genes.shape == (300, 40, 5)
    assert not (tmp_path / "g.h5.parts").exists()


def test_search_with_one_job_gives_the_same_bytes_as_with_two(cli):
    digests = [
        json.loads(
            cli(
                *"search graph/cora --strategy reinforce --runs 300 --evaluations 30 --json --jobs".split(),
                jobs,
            )
        )["sha256"]
        for jobs in (1, 2)
    ]
    assert digests[0] == digests[1]


def test_what_proposals_met_is_one_sentence_from_all_workers(home_of_data, tmp_path):
    from nasbench_suite import Runs

    asked = "search graph/cora --strategy random_search --runs 500 --evaluations 20 --jobs 2 --out runs.h5"
    done = subprocess.run(
        [*COMMAND, *asked.split(), "--reward", "log(valid - 0.8)"],
        env={**os.environ, "NASBENCH_SUITE_DATA": str(home_of_data)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    below = int((Runs.load(tmp_path / "runs.h5").valid <= 0.8).sum())
    assert done.stderr == (
        f"warning: {below:,} of 10,000 proposals to graph/cora have a reward, 'log(valid - 0.8)', that is no "
        "finite number; it is worse than any other to the strategy.\n"
    )


@pytest.mark.parametrize(
    ("task", "settings", "says"),
    [
        (
            "nats_topology/mnist1d",
            "",
            "nats_topology/mnist1d has results after fewer: --set max_epochs=12.\n",
        ),
        ("nats_topology/mnist1d", "--set max_epochs=12", ""),
        ("graph/cora", "", "graph/cora has no results after fewer.\n"),
    ],
)
def test_a_strategy_over_epochs_that_was_told_of_none_says_so(cli, task, settings, says):
    said = cli(*f"search {task} --strategy hyperband --runs 1 --evaluations 9 {settings}".split(), both=True)
    assert ("hyperband trains for all epochs at every stage; " in said) == bool(says)
    assert said.endswith(says)


def test_own_strategy_from_a_file(cli):
    asked = "search graph/cora --strategy ./mine.py:Mine --runs 9 --evaluations 9 --set patience=3"
    out = cli(*asked.split(), "--json")
    assert json.loads(out)["strategy"] == "Mine"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("query graph/coro 0000:gcn,gcn,gcn,gcn", "did you mean graph/cora"),
        ("query graph/cora 0122:fc,gat,gcn,grap", "character 17"),
        ("query graph/cora 0000:skip,skip,skip,skip", "no layer but skip"),
        ("query graph/cora 0000:gcn,gcn,gcn,gcn --epochs 12", "no results after 12 epochs"),
        ("query graph/cora 0000:gcn,gcn,gcn,gcn --repeat 3", "holds 1 training"),
        ("show regularised_evolution", "did you mean regularized_evolution"),
        ("search graph/cora --strategy regularised --evaluations 9", "did you mean regularized_evolution"),
        (
            "search graph/cora --strategy genetic --evaluations 0",
            "must be a whole number of at least 1, not 0",
        ),
        ("search graph/cora --strategy genetic", "give exactly one of them"),
        ("search graph/cora --strategy genetic --seconds 10", "records no training time"),
        ("search graph/cora --strategy genetic --evaluations 9 --runs 0", "at least 1, not 0"),
        (
            "search graph/cora --strategy genetic --evaluations 9 --set populatoin=3",
            "did you mean population",
        ),
        ("search graph/cora --strategy genetic --evaluations 9 --set population=a", "is of type int"),
        ("search graph/cora --strategy genetic --evaluations 9 --set population=1", "at least 2"),
        ("search graph/cora --strategy genetic --evaluations 9 --reward valid-flops", "flops"),
        (
            "search graph/cora --strategy genetic --evaluations 9 --reward valid-test_accuracy",
            "test_accuracy",
        ),
        ("search graph/cora --strategy ./mine.py:Mime --evaluations 9", "did you mean Mine"),
        ("search graph/cora --strategy ./none.py:Mine --evaluations 9", "there is no file"),
        (
            "search graph/cora --strategy ./mine.py:Wrong --evaluations 9",
            "strategy Wrong proposed an invalid",
        ),
        ("leaderboard run nas-bench-grpah", "did you mean nas-bench-graph"),
        ("leaderboard render nowhere", "there is no leaderboard"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(cli, arguments, says):
    error = cli(*arguments.split(), code=2)
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1


def test_an_existing_record_is_not_overwritten(cli, tmp_path):
    (tmp_path / "kept.h5").write_text("precious")
    error = cli(*"search graph/cora --strategy genetic --evaluations 5 --out kept.h5".split(), code=2)
    assert "is there already" in error
    assert (tmp_path / "kept.h5").read_text() == "precious"


def test_read_only_data_folder_is_one_sentence(cli):
    error = cli(
        *"query graph/cora 0000:gcn,gcn,gcn,gcn".split(), code=2, env={"NASBENCH_SUITE_DATA": "/proc/no"}
    )
    assert "cannot write" in error


def test_corrupt_table_is_one_sentence(cli, tmp_path):
    env = {"NASBENCH_SUITE_DATA": str(tmp_path / "data")}
    cli(*"query graph/proteins 0000:gcn,gcn,gcn,gcn".split(), env=env)
    table = tmp_path / "data" / "tables-2" / "graph" / "proteins.h5"
    whole = table.read_bytes()
    with h5py.File(table) as file:
        places = [file[name].id.get_offset() for name in ("index", "metrics/valid_roc_auc")]
    flipped = [whole[:place] + b"\xff" * 8 + whole[place + 8 :] for place in (200, *places)]
    for damaged in (whole[: len(whole) // 2], b"", *flipped):
        table.write_bytes(damaged)
        error = cli(*"query graph/proteins 0000:gcn,gcn,gcn,gcn".split(), code=2, env=env)
        assert error.startswith("error: ")
        assert "truncated or corrupt" in error


def render(board):
    """Write a board's pages again; return the remarks."""
    command = [*COMMAND, "leaderboard", "render", str(board)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def test_board_writes_pages_and_resumes(cli, board):
    first = cli("leaderboard", "run", board, "--json", "--jobs", 2)
    assert {"board.md", "board.html", "results.h5", "figures", "runs", "rules.toml"} == {
        path.name for path in board.iterdir()
    }
    block = board / "runs" / "graph-cora" / "random_search" / "block-0000.h5"
    written = block.stat().st_mtime_ns
    assert cli("leaderboard", "run", board, "--json", "--jobs", 1) == first
    assert block.stat().st_mtime_ns == written
    page = (board / "board.html").read_bytes()
    assert "rules have changed" not in render(board)
    assert (board / "board.html").read_bytes() == page
    (board / "rules.toml").write_text(RULES.replace("runs = 20", "runs = 21"))
    assert f"the rules have changed since {board / 'results.h5'} was played" in render(board)
    assert (board / "board.html").read_bytes() == page


def test_board_played_elsewhere_is_compared_with_the_kept_one(cli, board, tmp_path):
    cli("leaderboard", "run", board)
    done = subprocess.run(
        [*COMMAND, "leaderboard", "run", str(board), "--out", str(tmp_path / "again")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "all 4 results are equal" in done.stderr


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("runs = 20", ("runz = 20", "line 6: key 'runz'")),
        ("settings = { population = 5 }", ("settings = { populatoin = 5 }", "did you mean population")),
        (
            'strategy = "random_search"',
            (
                'strategie = "random_search"',
                "line 10: key 'strategies.0.strategie' is not known; did you mean strategy?",
            ),
        ),
        ("evaluations = 30", ("evaluations = 0", "line 5: key 'evaluations'")),
        ('"graph/cora"', ('"graph/corra"', "did you mean graph/cora")),
        ("runs = 20", ("runs = ", "no valid TOML")),
    ],
)
def test_wrong_rules_name_key_and_line(cli, board, wrong, says):
    replacement, sentence = says
    (board / "rules.toml").write_text(RULES.replace(wrong, replacement))
    error = cli("leaderboard", "run", board, code=2)
    assert sentence in error
    assert [path.name for path in board.iterdir()] == ["rules.toml"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent the POSIX way")
@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_an_interrupted_board_continues_to_the_same_result(cli, board, tmp_path, how):
    rules = RULES.replace("runs = 20", "runs = 2000").replace("evaluations = 30", "evaluations = 400")
    (board / "rules.toml").write_text(rules)
    process = subprocess.Popen(
        [*COMMAND, "leaderboard", "run", str(board), "--jobs", "2", "--quiet"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(board.glob("runs/*/*/block-*.h5")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, how) if how == signal.SIGKILL else os.kill(process.pid, how)
    _, errors = process.communicate(timeout=60)
    stored = list(board.glob("runs/*/*/block-*.h5"))
    assert 0 < len(stored) < 32, "the interrupt came too late to prove anything"
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "give the same command to continue" in errors
        assert "Traceback" not in errors
    resumed = cli("leaderboard", "run", board, "--json")
    afresh = tmp_path / "afresh"
    afresh.mkdir()
    (afresh / "rules.toml").write_text(rules)
    assert cli("leaderboard", "run", afresh, "--json") == resumed
    assert (afresh / "results.h5").read_bytes() == (board / "results.h5").read_bytes()


def test_full_disk_is_one_sentence_and_nothing_half_written(tmp_path):
    program = textwrap.dedent(
        """
        import resource, sys
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        sys.argv = ["nasbench-suite", *"search graph/cora --strategy random_search --evaluations 500".split(),
                    "--runs", "50", "--out", "big.h5", "--jobs", "1"]
        from nasbench_suite.cli import main
        main()
        """
    )
    subprocess.run([*COMMAND, "show", "graph/cora"], check=True, capture_output=True)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
