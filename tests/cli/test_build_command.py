"""`build` and `train` as a user runs them: judged by exit code, output and files."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from nasbench_suite import get_space
from nasbench_suite.cli import main
from nasbench_suite.tabular.curve_file import SPLITS, read_curve_file
from nasbench_suite.training import trainer
from nasbench_suite.training.environment import environment as environment_here

COMMAND = [sys.executable, "-m", "nasbench_suite.cli"]
CELL = "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"
TASK = "nats_topology/mnist1d"


@pytest.fixture
def environment(tiny_content, tmp_path):
    return {
        **os.environ,
        "COLUMNS": "200",
        "NASBENCH_SUITE_CONTENT": str(tiny_content),
        "NASBENCH_SUITE_DATA": str(tmp_path / "data"),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def table(tiny_content):
    return tiny_content / "tabular" / "nats_topology-mnist1d"


@pytest.fixture
def blocks(tmp_path):
    return tmp_path / "data" / "builds" / "nats_topology-mnist1d"


@pytest.fixture
def cli(environment, tmp_path, monkeypatch, capsys):
    """Runs a command in this process, which has loaded torch already."""

    def run(*arguments, code=0):
        monkeypatch.setattr(sys, "argv", ["nasbench-suite", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            ended = 0
        except SystemExit as end:
            ended = end.code or 0
        printed = capsys.readouterr()
        assert ended == code, printed.out + printed.err
        if code == 2:
            assert printed.err.startswith("error: ")
            assert printed.err.count("\n") == 1
        return printed.out if code == 0 else printed.err

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return run


def results(table):
    """Every result of a build, as bytes."""
    curves = read_curve_file(table / "curves.h5")
    return [getattr(curves, what)[split].tobytes() for what in ("correct", "loss") for split in SPLITS]


def test_a_build_makes_a_table_that_every_command_finds(cli, table, environment, tmp_path):
    assert "nasbench-suite build" in cli("show", TASK, code=2)
    listed = json.loads(cli("list", "benchmarks", "--json"))["benchmarks"][TASK]
    assert listed["table"] == "to be built"
    assert "1 tables not here (import or build them first): nats_topology/mnist1d" in cli("check", "--quiet")
    command = [*COMMAND, "build", str(table), "--jobs", "2", "--json"]
    done = subprocess.run(
        command, capture_output=True, env=environment, cwd=tmp_path, check=True, timeout=120
    )
    report = json.loads(done.stdout)
    assert report["task"] == TASK
    assert report["trainings"] == report["asked"] == {"0": 6, "1": 2}
    assert report["failed"] == 0
    assert "0 with problems\n" in cli("check", "--quiet")
    about = json.loads(cli("show", TASK, "--json"))
    assert about["source_version"] == "seed 0: 6 of 6 trainings; seed 1: 2 of 2 trainings"
    figures = json.loads(cli("show", "nats_topology-mnist1d", "--figures", "--json"))
    assert figures[TASK]["architectures_with_several_seeds"] == 2
    assert figures == json.loads(cli("show", TASK, "--figures", "--json"))
    curves = read_curve_file(table / "curves.h5")
    cell = get_space("nats_topology").format(curves.genes[2:3])[0]
    (row,) = json.loads(cli("query", TASK, cell, "--epochs", "3", "--repeat", "0", "--json"))
    assert row["valid_accuracy"] == curves.accuracy("valid")[0, 2, 2]
    before = (table / "curves.h5").read_bytes()
    cli("build", table / "build.toml", "--quiet", "--jobs", "1")
    assert (table / "curves.h5").read_bytes() == before


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals are sent the POSIX way")
@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_a_build_goes_on_after_an_interrupt_or_a_kill(cli, table, blocks, environment, tmp_path, how):
    plan = (table / "build.toml").read_text()
    (table / "build.toml").write_text(
        plan.replace("limit = 6", "limit = 48").replace("sample = 2", "sample = 8")
    )
    jobs = "2" if how == signal.SIGINT else "1"
    process = subprocess.Popen(
        [*COMMAND, "build", str(table), "--jobs", jobs],
        env=environment,
        cwd=tmp_path,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 90
    while not list(blocks.glob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, how) if how == signal.SIGKILL else os.kill(process.pid, how)
    _, error = process.communicate(timeout=90)
    done = {path.name: path.stat().st_mtime_ns for path in blocks.glob("*.npz")}
    assert 0 < len(done) < 28, "the signal came too late to prove anything"
    assert not (table / "curves.h5").exists()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "give the same command to continue" in error
        assert "Traceback" not in error
    cli("build", table, "--save-partial", "--quiet")
    partial = read_curve_file(table / "curves.h5")
    assert 0 < partial.trained()[0] <= 48
    assert not partial.is_complete
    (table / "curves.h5").unlink()
    cli("build", table, "--jobs", "1", "--quiet")
    assert {name: (blocks / name).stat().st_mtime_ns for name in done} == done
    interrupted = results(table)
    (table / "curves.h5").unlink()
    cli("build", table, "--jobs", "1", "--work", tmp_path / "again", "--quiet")
    assert results(table) == interrupted


def test_an_unfinished_build_goes_on_elsewhere_from_its_curves(cli, table, blocks, tmp_path):
    cli("build", table, "--quiet", "--jobs", "1")
    whole = results(table)
    first, *rest = sorted(blocks.glob("*.npz"))
    for path in rest:
        path.unlink()
    (table / "curves.h5").unlink()
    cli("build", table, "--quiet", "--save-partial")
    unfinished = tmp_path / "unfinished.h5"
    (table / "curves.h5").rename(unfinished)
    first.unlink()
    cli("build", table, "--quiet", "--jobs", "1", "--earlier", unfinished)
    assert results(table) == whole
    assert not first.exists()  # it was not trained again
    assert {path.name for path in blocks.glob("*.npz")} == {path.name for path in rest}
    for wrong, says in ((tmp_path / "nothing.h5", "there is no"), (unfinished, "would be lost")):
        assert says in cli("build", table, "--earlier", wrong, code=2)


def test_a_table_that_moved_to_another_machine_is_not_trained_again(cli, table, blocks):
    cli("build", table, "--quiet", "--jobs", "1")
    before = (table / "curves.h5").read_bytes()
    shutil.rmtree(blocks)
    cli(
        "build", table, "--quiet", "--jobs", "1", "--device", "cuda"
    )  # nothing to compute, so nothing is missed
    assert (table / "curves.h5").read_bytes() == before
    assert not blocks.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('recipe = "short"', 'recipe = "sort"'), "did you mean short"),
        (('name = "mnist1d"', 'name = "mnist2d"'), "there is no data set 'mnist2d'"),
        (('space = "nats_topology"', 'space = "nats"'), "there is no"),
        (("classes = 10", "classes = 9"), "and has 9 classes, but mnist1d has"),
        (("train = 200", "train = 100000000"), "ask for at least 0 of each"),
        (("block = 2", "blocks = 2"), "did you mean block"),
    ],
)
def test_a_wrong_plan_is_a_sentence(cli, table, change, words):
    plan = (table / "build.toml").read_text()
    assert change[0] in plan
    (table / "build.toml").write_text(plan.replace(*change))
    assert words in cli("build", table, "--jobs", "1", code=2)


def test_a_wrong_command_is_a_sentence(cli, table, tmp_path):
    assert "there is no" in cli("build", tmp_path / "nothing.toml", code=2)
    assert "there is no device 'tpu' here" in cli("build", table, "--device", "tpu", "-j", "1", code=2)
    assert "leave it out with --scheduler" in cli("build", table, "--jobs", "2", "--scheduler", "a:1", code=2)
    assert "nothing is trained yet" in cli("build", table, "--save-partial", code=2)
    (tmp_path / "file").write_text("")
    assert "not a folder" in cli("build", table, "-j", "1", "--work", tmp_path / "file", code=2)


def test_curves_that_would_be_lost_are_a_sentence_before_anything_is_trained(cli, table, blocks):
    cli("build", table, "--quiet", "--jobs", "1")
    shutil.rmtree(blocks)
    plan = (table / "build.toml").read_text()
    (table / "build.toml").write_text(plan.replace("seeds = [0, 1]", "seeds = [0, 2]"))
    assert "curves.h5 holds 2 trainings that the plan does not ask for" in cli("build", table, code=2)
    assert not blocks.exists()


def test_a_damaged_block_is_a_sentence(cli, table, blocks):
    blocks.mkdir(parents=True)
    (blocks / "seed-0-block-0001.npz").write_bytes(b"PK")
    error = cli("build", table, "--jobs", "1", code=2)
    assert "seed-0-block-0001.npz is damaged; remove it" in error


# -- train ---------------------------------------------------------------------------------------


def test_train_prints_what_architectures_reach(cli):
    asked = ("train", TASK, CELL, "11472", "--epochs", "2", "--quiet")
    report = json.loads(cli(*asked, "--json"))
    first, second = report["trainings"]
    assert first["architecture"] == CELL
    assert (report["space"], report["recipe"], report["epochs"]) == ("nats_topology", "short", 2)
    assert 0 < first["train_accuracy"] < 1
    assert 0 < second["params_millions"] < first["params_millions"] < 0.1
    assert first["train_seconds"] > 0
    assert "curves" not in first
    table = cli(*asked, "--curves")
    assert CELL in table
    assert f"{second['test_accuracy']:.4g}" in table
    assert len([line for line in table.splitlines() if line[:2] in ("1 ", "2 ")]) == 4


def test_train_takes_a_precision_and_evaluates_as_often_as_it_is_told(cli):
    asked = ("train", TASK, "1462", "--epochs", "4", "--quiet", "--curves", "--json")
    full, half = (
        json.loads(cli(*asked, "--judged-every", "3", "--precision", name))["trainings"][0]["curves"]
        for name in ("float32", "bfloat16")
    )
    assert [value is None for value in full["test_accuracy"]] == [True, True, False, False]
    assert half["train_loss"] != full["train_loss"]
    assert half["train_loss"] == pytest.approx(full["train_loss"], abs=0.1)


def test_train_leaves_networks_and_logs(cli, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    networks, logs = tmp_path / "networks", tmp_path / "logs"
    cli(*("train", TASK, "11472", "--epochs", "1", "--quiet", "--onnx", networks, "--tensorboard", logs))
    (network,) = networks.iterdir()
    (log,) = logs.iterdir()
    assert network.stem == log.name
    assert [path.name.startswith("events.out.tfevents") for path in log.iterdir()] == [True]
    session = onnxruntime.InferenceSession(network, providers=["CPUExecutionProvider"])
    (inputs,) = session.get_inputs()
    assert inputs.shape == [1, 1, 40]
    (logits,) = session.run(None, {inputs.name: np.zeros((1, 1, 40), dtype=np.float32)})
    assert logits.shape == (1, 10)
    assert np.isfinite(logits).all()


def test_train_goes_on_from_its_states_and_gives_the_same_numbers(cli, tmp_path, monkeypatch):
    asked = (
        "train",
        "macro",
        "02012100",
        "--data",
        "digits",
        "--epochs",
        "3",
        "--json",
        "--quiet",
        "--curves",
    )
    whole = json.loads(cli(*asked))["trainings"][0]
    monkeypatch.setattr(trainer, "Trainer", partial(trainer.Trainer, checkpoint_seconds=0))
    epochs, one = [], trainer._Run._epoch

    def interrupted(run, epoch):
        epochs.append(epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        one(run, epoch)

    monkeypatch.setattr(trainer._Run, "_epoch", interrupted)
    kept = tmp_path / "states"
    assert f"states are in {kept}" in cli(*asked, "--checkpoint", kept, code=130)
    assert [path.suffix for path in kept.iterdir()] == [".pt"]
    resumed = json.loads(cli(*asked, "--checkpoint", kept))["trainings"][0]
    assert epochs == [0, 1, 2, 2]
    assert [whole[name] for name in ("seed", "precision")] == [0, "float32"]
    assert whole["ran_on"] == resumed["ran_on"] == environment_here("cpu")
    for name in ("train_loss", "valid_accuracy", "test_loss"):
        assert whole["curves"][name] == resumed["curves"][name]
        assert np.isfinite(whole["curves"][name]).all()
    assert "is the checkpoint of another training" in cli(
        *asked, "--epochs", "2", "--checkpoint", kept, code=2
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nats_topology/mnist1", CELL), "did you mean nats_topology/mnist1d"),
        (("nothing", "0"), "there is no task or space to train for called 'nothing'"),
        (("graph", "0"), "there is no network of space 'graph'"),
        (("macro", "02012100"), "give one with --data"),
        (("macro", "0201210"), "0201210"),
        ((TASK, "nonsense"), "nonsense"),
        ((TASK, CELL, "--recipe", "sort"), "did you mean short"),
        ((TASK, CELL, "--data", "mnist2d"), "there is no data set"),
        ((TASK, CELL, "--device", "tpu"), "there is no device 'tpu' here"),
        ((TASK, CELL, "--compile"), "networks are compiled for images alone"),
        ((TASK, CELL, "--precision", "half"), "networks train in float32 or bfloat16, not in 'half'"),
    ],
)
def test_a_wrong_train_command_is_a_sentence(cli, arguments, words):
    assert words in cli("train", *arguments, code=2)


@pytest.mark.parametrize("command", ["build", "train"])
def test_help_has_examples_and_loads_no_torch(environment, command):
    program = f"""
import sys
from nasbench_suite.cli.app import app
try:
    app(["{command}", "--help"])
except SystemExit:
    pass
print("torch" in sys.modules, "scipy" in sys.modules, "distributed" in sys.modules)
"""
    shown = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
    ).stdout
    assert f"nasbench-suite {command} " in shown
    assert shown.rstrip().endswith("False False False")


def test_the_example_cell_of_the_help_is_one(cli):
    assert CELL in (Path(__file__).parents[2] / "nasbench_suite" / "cli" / "train.py").read_text()


class Here(Executor):
    """Stands for the workers of a cluster: does what it is given in this process."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_a_scheduler_trains_instead_of_processes_of_this_machine(cli, table, blocks, monkeypatch):
    asked = []

    @contextmanager
    def cluster(address):
        asked.append(address)
        yield Here()

    monkeypatch.setattr("nasbench_suite.cli.build.cluster", cluster)
    cli("build", table, "--scheduler", "tcp://head:8786", "--quiet")
    assert asked == ["tcp://head:8786"]
    assert len(list(blocks.iterdir())) == 4
    assert read_curve_file(table / "curves.h5").is_complete


def test_a_folder_of_the_table_that_cannot_be_written_is_said_before_training(
    cli, table, blocks, monkeypatch
):
    def full(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("nasbench_suite.training.build.tempfile.TemporaryFile", full)
    error = cli("build", table, "--jobs", "1", code=2)
    assert f"cannot write {table}: the file system is read-only" in error
    assert not blocks.exists()
