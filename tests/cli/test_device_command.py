"""`nasbench-suite cost`, `device` and `leaderboard costs`, as a user runs them."""

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from nasbench_suite.cli.app import app
from nasbench_suite.tabular.catalogue import import_tables


@pytest.fixture
def cli(shared_data, tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    import_tables("help", [shared_data / "help" / "help_nb201_latency_27dev.npz"])

    def run(*arguments):
        done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_a_device_is_learnt_from_ten_measurements(cli, tmp_path):
    known = ["--known", "help/nats_topology", "--devices", "1080ti_1,silver_4114,pixel3"]
    chosen = json.loads(cli("device", "choose", *known, "--json"))
    measured = json.loads(cli("cost", "nats_topology", *chosen, "--model", "latency_ms@gold_6226", "--json"))
    frame = pd.DataFrame(measured).rename(columns={"latency_ms@gold_6226": "latency_ms"})
    frame.to_csv(tmp_path / "measured.csv", index=False)
    cli("device", "fit", "measured.csv", *known, "--out", "predicted.csv")
    predicted = pd.read_csv(tmp_path / "predicted.csv")
    assert len(predicted) == 15625
    some = predicted.sample(200, random_state=0)
    truth = pd.DataFrame(
        json.loads(
            cli("cost", "nats_topology", *some.architecture, "--model", "latency_ms@gold_6226", "--json")
        )
    )
    assert truth["latency_ms@gold_6226"].corr(some.latency_ms.reset_index(drop=True), "spearman") > 0.95
    assert "gold_6226" in cli("list", "devices")


def test_a_measured_architecture_that_is_not_known_is_named(cli, tmp_path):
    (tmp_path / "measured.csv").write_text("architecture,latency_ms\n0,3.5\n")
    done = CliRunner().invoke(
        app, ["device", "fit", "measured.csv", "--known", "help/nats_topology", "--out", "x.csv"]
    )
    assert "at least 2 costs" in str(done.exception)
    assert not (tmp_path / "x.csv").exists()


def measured(*arguments):
    quick = ["--seconds", "0.01", "--rounds", "2", "--shape", "1x40", "--json", "--quiet"]
    return CliRunner().invoke(app, ["measure", "nats_topology", *arguments, *quick])


def test_networks_are_measured_here(tmp_path):
    found = json.loads(measured("0", "1462").stdout)
    assert [round(line["latency_ms"], 9) > 0 for line in found["measured"]] == [True, True]
    assert all(line["low_ms"] <= line["latency_ms"] <= line["high_ms"] for line in found["measured"])
    assert "batch 1, 1 thread(s), float32, input 1x40" in found["device"]
    assert len(json.loads(measured("--random", "3").stdout)["measured"]) == 3


@pytest.mark.slow
def test_networks_are_measured_by_onnx_runtime():
    found = json.loads(measured("0", "--engine", "onnxruntime").stdout)
    assert "ONNX Runtime" in found["device"]
    assert len(found["measured"]) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "name architectures, or say how many"),
        (["0", "--shape", "32"], "not '32'"),
        (["0", "--device", "gpu"], "no device 'gpu'"),
        (["0", "--engine", "tvm"], "no engine called 'tvm'"),
        (["0", "--cuda-graphs"], "add --device cuda"),
        (["0", "--cuda-graphs", "--engine", "onnxruntime"], "leave out --engine onnxruntime"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, says):
    assert says in str(CliRunner().invoke(app, ["measure", "nats_topology", *arguments]).exception)


OPERATORS = ["--shape", "1x40", "--seconds", "0", "--rounds", "1", "--most-spread", "1000", "--quiet"]


def test_operators_are_measured_here_and_networks_added_up(tmp_path):
    file = str(tmp_path / "mybox.h5")
    command = ["device", "operators", "macro", "--name", "mybox", "--out", file, *OPERATORS]
    measured = json.loads(CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False).stdout)
    assert [len(row) for row in measured["entries"]] == [3] * 8
    assert (measured["name"], measured["shape"], measured["engine"]) == ("mybox", [1, 40], "pytorch")
    chosen = [0, 1, 2, 2, 1, 0, 0, 1]
    asked = ["cost", "macro", "".join(map(str, chosen)), "--operators", file]
    (row,) = json.loads(CliRunner().invoke(app, [*asked, "--json"], catch_exceptions=False).stdout)
    total = measured["rest"] + sum(
        entries[value] for entries, value in zip(measured["entries"], chosen, strict=True)
    )
    assert row["latency_ms@mybox"] == pytest.approx(total)
    shown = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert f"{total:.6g}" in shown.stdout
    assert "operators of space macro" in said(["cost", "nats_topology", "0", "--operators", file])
    assert "two of these costs are called latency_ms@mybox" in said([*asked, "--operators", file])


def test_operators_that_vary_too_much_are_not_written(tmp_path):
    out = tmp_path / "mybox.h5"
    steady = ["--shape", "1x40", "--seconds", "0", "--rounds", "2", "--most-spread", "0", "--quiet"]
    assert "vary by more than 0 %" in said(
        ["device", "operators", "macro", "--name", "a", "--out", str(out), *steady]
    )
    assert not out.exists()


def said(arguments):
    """Return the sentence that a command ends with."""
    return str(CliRunner().invoke(app, arguments).exception)


def test_a_cost_has_to_be_named():
    assert "say which costs" in said(["cost", "macro", "00000000"])


def test_latencies_too_short_to_rank_by_are_marked(cli):
    """Nothing leads through the first cell, all of the second convolves."""
    none = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    models = ["--model", "latency_ms@pixel3", "--model", "latency_ms@gold_6226"]
    rows = json.loads(cli("cost", "nats_topology", none, "1462", *models, "--json"))
    assert [row["below_resolution"] for row in rows] == [True, False]
    assert rows[0]["latency_ms@pixel3"] < 0.01
    done = CliRunner().invoke(app, ["cost", "nats_topology", none, "1462", *models], catch_exceptions=False)
    assert f"{rows[0]['latency_ms@pixel3']:.6g}*" in done.stdout
    assert done.stdout.count("*") == 1
    assert "* below 0.01 ms" in done.stderr
    assert "below 0.01" not in CliRunner().invoke(app, ["cost", "nats_topology", "1462", *models]).stderr
