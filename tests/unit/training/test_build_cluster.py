"""Builds on a real Dask cluster of this machine: a worker that is killed costs nothing but time."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from nasbench_suite import get_space
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular.curve_file import read_curve_file
from nasbench_suite.training.benchmark import TrainingBenchmark
from nasbench_suite.training.build import build, collect, read_plan
from nasbench_suite.workers import cluster

distributed = pytest.importorskip("distributed", reason="Dask is not installed: the extra `cluster`")

RESULTS = [f"{split}_{what}" for split in ("train", "valid", "test") for what in ("accuracy", "loss")]


@pytest.fixture
def plan(tmp_path, tiny_plan):
    (tmp_path / "build.toml").write_text(tiny_plan.replace("limit = 6", "limit = 12"))
    return read_plan(tmp_path / "build.toml")


@pytest.fixture
def address():
    """A scheduler and two workers, a process each, under nurses that start them again."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as local,
    ):
        yield local.scheduler_address


def results(plan, folder):
    parts = collect(plan, folder)
    return [getattr(part.curves, name).tobytes() for part in parts for name in RESULTS]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="a worker is killed the POSIX way")
def test_a_killed_worker_loses_nothing_and_the_bytes_are_those_of_one_process(plan, address, tmp_path):
    killed = []

    def kill_one(done, total):
        if not killed and 0 < done < total:
            with distributed.Client(address) as client:
                killed.extend(client.run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)

    with cluster(address) as executor:
        build(plan, tmp_path / "cluster", executor=executor, progress=kill_one)
    with pytest.raises(ProcessLookupError):
        os.kill(killed[0], 0)
    build(plan, tmp_path / "here")
    assert results(plan, tmp_path / "cluster") == results(plan, tmp_path / "here")
    assert not list((tmp_path / "cluster").glob(".*"))


def test_a_search_by_training_gets_its_answers_from_a_cluster(tiny_task, address):
    task = tiny_task(recipe="short")  # which workers know
    cells = get_space("nats_topology").sample(np.random.default_rng(1), 6)
    there = TrainingBenchmark(task)
    with cluster(address) as executor, there.trained_on(executor):
        found = there.query(cells)
    np.testing.assert_array_equal(found.valid, TrainingBenchmark(task).query(cells).valid)


def test_a_lost_scheduler_is_a_sentence_and_keeps_what_was_finished(tiny_plan, tmp_path):
    (tmp_path / "build.toml").write_text(tiny_plan.replace("limit = 6", "limit = 400"))
    plan = read_plan(tmp_path / "build.toml")  # more than is trained while the scheduler closes
    local = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0"
    )
    closing = threading.Thread(target=local.close)

    def lose(done, total):
        if done == 2:
            closing.start()
            time.sleep(1)

    with (
        pytest.raises(NasbenchSuiteError, match="run the same command again"),
        cluster(local.scheduler_address) as e,
    ):
        build(plan, tmp_path / "work", executor=e, progress=lose)
    closing.join()
    assert (tmp_path / "work" / "seed-0-block-0000.npz").exists()


def test_no_scheduler_at_an_address_is_a_sentence(monkeypatch):
    monkeypatch.setattr("nasbench_suite.workers._SECONDS_TO_CONNECT", 0.2)
    for address in ("tcp://127.0.0.1:1", "nonsense", "foo://bar:1"):
        with pytest.raises(NasbenchSuiteError, match="no Dask scheduler answers at"), cluster(address):
            pass


# -- the guide -----------------------------------------------------------------------------------

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "cluster.md"


@pytest.fixture(scope="module")
def programs():
    """The Python of the guide that needs no cluster."""
    return re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_the_guides_local_cluster_makes_a_table(programs, tiny_content, tmp_path):
    (tmp_path / "program.py").write_text(programs[0])
    (tmp_path / "tabular").symlink_to(tiny_content / "tabular")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    curves = read_curve_file(tiny_content / "tabular" / "nats_topology-mnist1d" / "curves.h5")
    assert curves.is_complete


def test_the_guides_job_script_is_what_its_table_says(programs, tmp_path):
    pytest.importorskip("dask_jobqueue")
    done = subprocess.run(
        [sys.executable, "-c", programs[1] + "\ncluster.close()"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = ["#SBATCH -p cpu", "#SBATCH -A my-project", "#SBATCH --cpus-per-task=16", "#SBATCH -t 04:00:00"]
    for line in (*lines, "#SBATCH --constraint=milan", "export OMP_NUM_THREADS=1"):
        assert line in done.stdout.splitlines()
    for words in ("--nthreads 1", "--nworkers 16", "--memory-limit", "--lifetime 225m", "#SBATCH --mem="):
        assert words in done.stdout


def test_the_guides_commands_have_the_options_that_they_use():
    text = GUIDE.read_text(encoding="utf-8")
    build_help = subprocess.run(
        [sys.executable, "-m", "nasbench_suite.cli", "build", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    ).stdout
    for option in ("--jobs", "--scheduler", "--work", "--save-partial", "--no-verify"):
        assert option in text
        assert option in build_help
    for command in ("scheduler", "worker"):
        program = (
            f"import sys; sys.argv = ['dask', '{command}', '--help']; from dask.__main__ import main; main()"
        )
        shown = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout
        (line,) = re.findall(rf"^dask {command} .*?(?=  #)", text, flags=re.MULTILINE)
        for option in re.findall(r"--\w+", line):
            assert option in shown
