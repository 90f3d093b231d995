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
