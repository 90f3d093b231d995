"""Fixtures that the whole suite shares."""

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# One thread each: the suite has a process per core already, and threads that wait for each other spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import h5py
import numpy as np
import pytest
import torch
from hypothesis import settings

if not torch.cuda.is_available():
    # Kernels for GPUs are interpreted; Triton asks once, when whatever needs it first imports it.
    os.environ.setdefault("TRITON_INTERPRET", "1")

from nasbench_suite import get_space, load_benchmark
from nasbench_suite.benchmark import Metric
from nasbench_suite.tabular import Table, TableDescription, TabularBenchmark

settings.register_profile("suite", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def data_folder(tmp_path_factory):
    """A data folder of the tests' own; workers share it, since tables appear whole or not at all."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_SUITE_DATA", str(folder))
        patch.delenv("NASBENCH_SUITE_CONTENT", raising=False)
        yield folder


@pytest.fixture(scope="session")
def cora(data_folder) -> TabularBenchmark:
    return load_benchmark("graph/cora")


@pytest.fixture(scope="session")
def proteins(data_folder) -> TabularBenchmark:
    return load_benchmark("graph/proteins")


@pytest.fixture(scope="session")
def shared_data(pytestconfig) -> Path:
    named = os.environ.get("NASBENCH_SUITE_SHARED_DATA")
    folder = Path(named) if named else pytestconfig.rootpath.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no published data in {folder}; set NASBENCH_SUITE_SHARED_DATA to its folder")
    return folder


class _NumbersOnly(pickle.Unpickler):
    """Reads the package's own dictionaries without the reader under test; admits NumPy numbers only."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "scalar":
            return np._core.multiarray.scalar
        if (module, name) == ("numpy", "dtype"):
            return np.dtype
        raise pickle.UnpicklingError(f"{module}.{name}")


@pytest.fixture(scope="session")
def official_records() -> Callable[[str], dict[int, dict[str, float]]]:
    """The dictionary that the package nas-bench-graph ships for a data set: cell number to results."""
    folder = Path(find_spec("nas_bench_graph").origin).parent / "light"

    @cache
    def read(dataset: str) -> dict[int, dict[str, float]]:
        with (folder / f"{dataset}.bench").open("rb") as file:
            return _NumbersOnly(file).load()

    return read


@pytest.fixture(scope="session")
def make_table() -> Callable[..., Table]:
    """A factory of tables on a space: random numbers, three trainings, two fidelities, some NaN."""

    def make(
        *,
        rows: int | None = None,
        repeats: int = 3,
        epochs: tuple[int, ...] = (12, 200),
        missing: float = 0.0,
        cost: bool = True,
        direction: str = "max",
        unit: str = "fraction",
        task: str = "made/up",
        space: str = "nats_topology",
        seed: int = 0,
    ) -> Table:
        found = get_space(space)
        rng = np.random.default_rng(seed)
        codes = np.sort(rng.choice(found.n_codes, size=rows or found.n_codes, replace=False))
        genes = found.decode(codes)
        shape = (len(genes), repeats, max(1, len(epochs)))
        metrics = {
            "valid_accuracy": Metric("valid_accuracy", unit, direction, "valid", "made up"),
            "test_accuracy": Metric("test_accuracy", unit, direction, "test", "made up"),
            "params_millions": Metric("params_millions", "M", "min", "info", "made up"),
        }
        if cost:
            metrics["train_seconds"] = Metric("train_seconds", "s", "min", "cost", "made up")
        columns = {name: rng.uniform(0.5, 1.5, size=shape) for name in metrics}
        for name in ("valid_accuracy", "test_accuracy"):
            columns[name][rng.random(shape) < missing] = np.nan
        return Table(
            description=TableDescription(
                task=task,
                space=space,
                valid="valid_accuracy",
                test="test_accuracy",
                rows="string",
                repeats=[f"seed {number}" for number in range(repeats)],
                licence="none",
                source="random numbers",
                source_version="1",
                source_sha256="0" * 64,
                created_with="the test suite",
            ),
            genes=genes,
            epochs=np.array(epochs, dtype=np.int32),
            metrics=metrics,
            columns=columns,
        )

    return make


@pytest.fixture(scope="session")
def made_up(make_table) -> TabularBenchmark:
    """A complete benchmark on nats_topology that knows costs."""
    return TabularBenchmark(make_table())


_TINY_PLAN = """
benchmark = "nats_topology-mnist1d"
task = "nats_topology/mnist1d"
space = "nats_topology"
recipe = "short"
seeds = [0, 1]
block = 2
limit = 6
sample = 2

[data]
name = "mnist1d"
train = 200
valid = 150
test = 100

[skeleton]
inputs = 1
classes = 10
dims = 1
width = 4
style = "light"
"""


@pytest.fixture(scope="session")
def tiny_plan() -> str:
    """A build.toml of six cells with one seed and two of them with another: four blocks, in seconds."""
    return _TINY_PLAN


@pytest.fixture
def tiny_content(tmp_path, tiny_plan) -> Path:
    """Content folders with nothing but the datasheet of nats_topology-mnist1d and a tiny plan for it."""
    root = Path(__file__).resolve().parents[1]
    for folder in ("strategies", "leaderboards", "surrogates", "tabular"):
        (tmp_path / "content" / folder).mkdir(parents=True)
    table = tmp_path / "content" / "tabular" / "nats_topology-mnist1d"
    table.mkdir()
    shutil.copy(root / "tabular" / table.name / "datasheet.toml", table)
    (table / "build.toml").write_text(tiny_plan)
    return tmp_path / "content"


_READ_FLIPPED = """
import importlib, json, pathlib, random, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
path, reader, positions = pathlib.Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
module, _, name = reader.partition(":")
read = importlib.import_module(module)
for part in name.split("."):
    read = getattr(read, part)
from nasbench_suite.errors import DamagedFileError
whole = path.read_bytes()
flip = random.Random(0)
for position in positions:
    flipped = bytes([whole[position] ^ flip.randrange(1, 256)])
    path.write_bytes(whole[:position] + flipped + whole[position + 1 :])
    print(position, end=" ", flush=True)
    try:
        found = read(path)
        for array in found.file.names() if hasattr(found, "file") else ():
            found.file.array(array)
        print("read", found.sha256() if callable(found.sha256) else found.sha256)
    except DamagedFileError:
        print("refused")
    except Exception as problem:
        print(type(problem).__name__)
"""


@pytest.fixture(scope="session")
def readings_of_flipped() -> Callable[[Path, str, list[int]], dict[int, str]]:
    """Read a file with one byte flipped at a time, in a process of its own: byte position to what came of it.

    `read SHA256`, `refused`, the name of another exception, or `crashed`.
    """

    def readings(path: Path, reader: str, positions: list[int]) -> dict[int, str]:
        command = [sys.executable, "-c", _READ_FLIPPED, str(path), reader, json.dumps(positions)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        found = dict(line.partition(" ")[::2] for line in done.stdout.splitlines())
        return {int(position): outcome or "crashed" for position, outcome in found.items()}

    return readings


@pytest.fixture(scope="session")
def edited():
    """A context that opens a sealed file for changing and seals it again, as a foreign writer might."""

    @contextmanager
    def edit(path):
        with h5py.File(path, "r+") as file:
            yield file
        whole = path.read_bytes()
        first_line = whole[: whole.index(b"\n") + 1]
        head = first_line + b"sha256 " + hashlib.sha256(whole[512:]).hexdigest().encode() + b"\n"
        path.write_bytes(head + whole[len(head) :])

    return edit


@pytest.fixture(scope="session")
def reseal():
    """Put a manifest with its right checksum in front of a mapped file, over what was there."""

    def put(path: Path, manifest: bytes) -> None:
        whole = path.read_bytes()
        mark = whole[: whole.index(b"\n")]
        seal = b"sha256 " + hashlib.sha256(manifest).hexdigest().encode() + b" %d" % len(manifest)
        head = b"\n".join([mark, seal, manifest])
        path.write_bytes(head + whole[len(head) :])

    return put


@pytest.fixture(scope="session")
def manifest_edited(reseal):
    """A context that yields the manifest of a mapped file for changing and seals it again, as anybody might.

    A sum that was set to None is taken anew from the bytes that the array's entry points to.
    """

    @contextmanager
    def edit(path):
        whole = path.read_bytes()
        _, seal, rest = whole.split(b"\n", 2)
        manifest = json.loads(rest[: int(seal.split(b" ")[2])])
        yield manifest
        for entry in manifest["arrays"].values():
            if entry.get("sha256", "") is None:
                size = int(np.prod(entry["shape"])) * np.dtype(entry["dtype"]).itemsize
                entry["sha256"] = hashlib.sha256(whole[entry["offset"] :][:size]).hexdigest()
        reseal(path, json.dumps(manifest, separators=(",", ":")).encode())

    return edit
