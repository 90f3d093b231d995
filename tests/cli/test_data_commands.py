"""Import, export and download as a user runs them: a subprocess, judged by exit code, output and files."""

import gzip
import hashlib
import json
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from nasbench_suite import get_space
from nasbench_suite.cli import main
from nasbench_suite.cli.app import app
from nasbench_suite.content import CONTENT_FOLDERS, content_root

COMMAND = [sys.executable, "-m", "nasbench_suite.cli"]
OWN = (
    "--space nats_topology --name mine/one --index cell --valid accuracy=12:v12,200:v200 "
    "--test accuracy=200:t --percent"
)


@pytest.fixture
def home_of_data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def frame(tmp_path):
    """A CSV file of forty cells in the working folder, as pandas holds it."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(100 * rng.random((40, 4)), columns=["v12", "v200", "t", "seconds per run"])
    frame.insert(0, "cell", rng.permutation(15625)[:40])
    frame.loc[3, "v200"] = np.nan
    frame.to_csv(tmp_path / "own.csv", index=False)
    return frame


def test_an_own_file_is_imported_listed_and_queried(cli, frame):
    said = cli(
        "import",
        "table",
        "own.csv",
        *OWN.split(),
        "--cost",
        "seconds=seconds per run",
        both=True,
    )
    assert "mine/one" in said
    assert "mine/one: 1 of 40 rows have no valid_accuracy.\n" in said
    assert "no test_accuracy" not in said
    assert " 15,585 " in said  # how many of the space's 15,625 cells are not there
    listed = json.loads(cli("list", "benchmarks", "--json"))["benchmarks"]
    assert listed["mine/one"] == {"title": "imported from own.csv", "table": "here"}
    assert listed["graph/cora"]["table"] == "made on first use"
    (row,) = json.loads(cli("query", "mine/one", frame.cell[5], "--json"))
    assert row["valid_accuracy"] == frame.v200[5] / 100
    assert row["seconds"] == frame["seconds per run"][5]


def test_exported_numbers_are_those_of_the_file(cli, frame, tmp_path):
    cli("import", "table", "own.csv", *OWN.split())
    for epochs, column in ((12, "v12"), (200, "v200")):
        cli("export", "mine/one", "--epochs", epochs, "--out", f"{epochs}.csv.gz")
        found = pd.read_csv(tmp_path / f"{epochs}.csv.gz", dtype=str)
        np.testing.assert_array_equal(found["valid_accuracy"].map(float), frame[column] / 100)
        assert ("test_accuracy" in found) == (epochs == 200)  # recorded after the last epoch only
    printed = cli("export", "mine/one")
    assert printed.encode() == gzip.decompress((tmp_path / "200.csv.gz").read_bytes())
    records = json.loads(cli("export", "mine/one", "--metrics", "valid_accuracy", "--json"))
    assert records[3]["valid_accuracy"] is None
    assert list(records[0]) == ["architecture", "valid_accuracy"]
    assert records[0]["valid_accuracy"] == frame.v200[0] / 100


def test_an_export_imports_to_the_same_numbers(cli, frame):
    cli("import", "table", "own.csv", *OWN.split())
    cli("export", "mine/one", "--out", "again.csv")
    again = "--space nats_topology --name mine/two --arch architecture --valid accuracy=valid_accuracy"
    cli("import", "table", "again.csv", *again.split(), "--test", "accuracy=test_accuracy")
    assert cli("export", "mine/two") == cli("export", "mine/one")


def test_trainings_are_exported_singly_or_averaged(cli, frame):
    options = "--space nats_topology --name mine/three --index cell --valid score=v12,v200,t".split()
    cli("import", "table", "own.csv", *options)
    every = json.loads(cli("export", "mine/three", "--repeat", "all", "--json"))
    one = json.loads(cli("export", "mine/three", "--repeat", 1, "--json"))
    mean = json.loads(cli("export", "mine/three", "--json"))
    for row in (0, 3):
        trainings = [every[row][f"valid_score_{place}"] for place in range(3)]
        expected = [None if np.isnan(v) else v for v in frame.loc[row, ["v12", "v200", "t"]]]
        assert trainings == expected
        assert one[row]["valid_score"] == expected[1]
        assert mean[row]["valid_score"] == pytest.approx(np.mean([v for v in expected if v is not None]))


def test_export_of_a_published_table(cli, official_records, tmp_path):
    cli("export", "graph/proteins", "--out", "proteins.csv")
    found = pd.read_csv(tmp_path / "proteins.csv", dtype=str)
    published = official_records("proteins")
    assert found["test_roc_auc"].map(float).tolist() == [published[n]["perf"] for n in sorted(published)]


def test_shipped_mapping_imports_the_topology_space(cli, shared_data):
    file = shared_data / "nats_topology" / "accuracy.csv.gz"
    mapping = content_root() / "tabular" / "nats_topology" / "from-csv.toml"
    made = json.loads(cli("import", "table", file, "--mapping", mapping, "--name", "nats", "--json"))
    assert {table["rows"] for table in made["tables"]} == {15625}
    assert {table["absent"] for table in made["tables"]} == {0}
    assert "nats/cifar10-valid@12" in [table["task"] for table in made["tables"]]
    again = cli("import", "table", file, "--mapping", mapping, "--name", "nats", both=True)
    assert "replaced what was there before of nats/ImageNet16-120" in again


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("import tabel own.csv", "did you mean table"),
        (
            "import table none.csv --space nats_topology --name a/b --arch cell --valid a=v12",
            "there is no none.csv",
        ),
        ("import table own.csv", "--name is BENCHMARK/DATASET"),
        ("import table own.csv --name one --space nats_topology", "--name is BENCHMARK/DATASET"),
        ("import table own.csv --name a/b --arch cell --valid a=v12", "--space is missing"),
        (
            "import table own.csv --name a/b --space nats_topology --valid a=v12",
            "--arch or --index is missing",
        ),
        ("import table own.csv --name a/b --space nats_topology --arch cell", "no metric is given"),
        (
            "import table own.csv --name a/b --space nats --arch cell --valid a=v12",
            "there is no search space",
        ),
        (
            "import table own.csv --name a/b --space nats_topology --arch cel --valid a=v12",
            "did you mean cell",
        ),
        (
            "import table own.csv --name a/b --space nats_topology --arch v12 --valid a=v12",
            "line 2, column 'v12'",
        ),
        (
            "import table own.csv --name a/b --space nats_topology --arch cell --valid a=v13",
            "did you mean v12",
        ),
        ("import table own.csv --name a/b --space nats_topology --arch cell --valid v12", "NAME=COLUMNS"),
        (
            "import table own.csv --name a/b --space nats_topology --arch cell --valid a[x,up]=v12",
            "min or max",
        ),
        (
            "import table own.csv --name a/b --space nats_topology --arch cell --valid a=v12,,t",
            "empty column",
        ),
        (
            "import table own.csv --name a/b --space nats_topology --arch cell --valid a=v12,9:t",
            "epochs for some",
        ),
        (
            "import table own.csv --name a/b --space nats_topology --arch cell --valid a=t --valid a=v12",
            "given twice",
        ),
        (
            "import table own.csv --name a/b --space nats_topology --arch c --index d --valid a=t",
            "give one of them",
        ),
        ("import table own.csv --mapping m.toml --space nats_topology", "leave out the other options"),
        ("import table own.csv --mapping none.toml", "none.toml cannot be read"),
        (
            "import table own.csv own.csv --name a/b --space nats_topology --arch cell --valid a=v12",
            "one file",
        ),
        ("import nats-topology own.csv --percent", "leave out the options of `table`"),
        ("export graph/coro", "did you mean graph/cora"),
        ("export graph/cora --metrics test_acuracy", "did you mean test_accuracy"),
        ("export graph/cora --epochs 12", "no results after 12 epochs"),
        ("export graph/cora --repeat 1", "holds 1 training"),
        ("export graph/cora --repeat some", "--repeat is mean, all"),
        ("export graph/cora --out cora.xls", "must end in"),
        ("export graph/cora --out own.csv", "is there already"),
        ("download grap", "did you mean graph"),
        ("download graph", "no file of graph has a direct address"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(frame, tmp_path, monkeypatch, capsys, arguments, says):
    before = (tmp_path / "own.csv").read_bytes()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "argv", ["nasbench-suite", *arguments.split()])
    with pytest.raises(SystemExit, match="2"):
        main()
    output, error = capsys.readouterr()
    assert output == ""
    assert error.startswith("error: ")
    assert says in error
    assert error.count("\n") == 1
    assert not list((tmp_path / "data").rglob("*.h5")) or arguments.startswith("export")
    assert (tmp_path / "own.csv").read_bytes() == before


@pytest.fixture
def published(tmp_path, frame):
    """A content folder with a benchmark `made`, whose file lies on a local server; and what it was asked."""
    content = tmp_path / "content"
    for folder in CONTENT_FOLDERS:
        (content / folder).mkdir(parents=True)
    (tmp_path / "www").mkdir()
    (tmp_path / "own.csv").rename(tmp_path / "www" / "own.csv")
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code="-", size="-"):
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=tmp_path / "www")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        sheet = (content_root() / "tabular" / "graph" / "datasheet.toml").read_text()
        sha256 = hashlib.sha256((tmp_path / "www" / "own.csv").read_bytes()).hexdigest()
        (content / "tabular" / "made").mkdir()
        (content / "tabular" / "made" / "datasheet.toml").write_text(
            sheet.replace('name = "graph"', 'name = "made"').replace('"nasbench-graph"', '"table"')
            + f'\n[[downloads]]\nurl = "http://127.0.0.1:{server.server_port}/own.csv"\nfile = "own.csv"\n'
            + f'sha256 = "{sha256}"\n'
        )
        yield {"NASBENCH_SUITE_CONTENT": str(content)}, asked
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_verified_and_not_fetched_again(cli, published, tmp_path):
    env, asked = published
    (found,) = json.loads(cli("download", "made", "--json", env=env))
    path = tmp_path / "data" / "downloads" / "made" / "own.csv"
    assert found == {"file": str(path), "bytes": path.stat().st_size}
    assert path.read_bytes() == (tmp_path / "www" / "own.csv").read_bytes()
    assert "nasbench-suite import table" in cli("download", "made", both=True, env=env)
    assert asked == ["/own.csv"]
    shown = cli("show", "made", env=env)
    assert "nasbench-suite download made --import" in shown
    assert json.loads(cli("list", "benchmarks", "--json", env=env))["benchmarks"]["made/cora"]["table"] == (
        "to be downloaded"
    )


def test_a_download_goes_where_it_is_asked_to_and_hands_on_to_the_importer(cli, published, tmp_path):
    env, _ = published
    error = cli("download", "made", "--to", "there", "--import", code=2, env=env)
    assert "needs to know what the columns mean" in error
    assert (tmp_path / "there" / "own.csv").is_file()


def test_a_changed_file_is_refused(cli, published, tmp_path):
    env, _ = published
    (tmp_path / "www" / "own.csv").write_text("cell\n1\n")
    error = cli("download", "made", code=2, env=env)
    assert "another checksum" in error
    assert error.count("\n") == 1
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_a_search_where_nothing_is_held_out_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    space = get_space("nats_topology")
    lines = [f"{i},{0.1 + i / 20000}" for i in range(space.size)]
    (tmp_path / "mine.csv").write_text("index,accuracy\n" + "\n".join(lines) + "\n")
    named = ["import", "table", str(tmp_path / "mine.csv"), "--space", "nats_topology", "--index", "index"]
    done = CliRunner().invoke(app, [*named, "--name", "mine/t", "--valid", "accuracy=accuracy", "--quiet"])
    assert done.exit_code == 0, done.output
    search = ["search", "mine/t", "--strategy", "random_search", "--evaluations", "9", "--runs", "3"]
    done = CliRunner().invoke(app, [*search, "--jobs", "1", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["test"] == "none in this table"
    assert 0.1 <= facts["best_valid"] <= 0.9
    assert "best_test" not in facts


def test_a_table_is_drawn_and_generators_with_their_signals(cli, tmp_path):
    cli("show", "graph/cora", "--picture", tmp_path / "cora")
    assert [path.name for path in (tmp_path / "cora").iterdir()] == ["results.svg"]
    folder = tmp_path / "gan"
    cli("show", "gan/mnist1d", "--picture", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["results.svg", "samples.svg"]
    drawn = (folder / "samples.svg").read_bytes()
    assert b"real signals" in drawn
    assert drawn == (content_root() / "tabular" / "gan-mnist1d" / "samples.svg").read_bytes()
    assert "no task called 'regularized_evolution'" in cli(
        "show", "regularized_evolution", "--picture", tmp_path, code=2
    )
