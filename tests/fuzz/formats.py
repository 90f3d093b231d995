"""The readers of formats other than pickles, and small files for each: see `readers.py`."""

import bz2
import gzip
import hashlib
import io
import json
import pickle
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from mutation import OPCODES

from nasbench_suite import get_space, search
from nasbench_suite.benchmark import Metric
from nasbench_suite.cards import read_card
from nasbench_suite.foreign.crc32c import crc32c, masked
from nasbench_suite.foreign.pickled_booster import read_pickled_booster
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.foreign.tfrecord import read_records
from nasbench_suite.hardware.operator_latencies import (
    OperatorDescription,
    OperatorLatencies,
    read_operator_latencies,
    save_operator_latencies,
)
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.leaderboards.submission import Head, contest_of, read_submission
from nasbench_suite.runs import Runs
from nasbench_suite.tabular import Table, TableDescription, TabularBenchmark
from nasbench_suite.tabular.catalogue import datasheet_of
from nasbench_suite.tabular.curve_file import (
    COUNTS,
    SECONDS,
    SPLITS,
    CurveDescription,
    CurveFile,
    read_curve_file,
    write_curve_file,
)
from nasbench_suite.tabular.gan_file import CURVES, GanDescription, GanFile, read_gan_file, write_gan_file
from nasbench_suite.tabular.importers import importer
from nasbench_suite.tabular.importers.job import ImportJob, staged
from nasbench_suite.tabular.importers.mapping import TableMapping
from nasbench_suite.tabular.importers.nats_archive import open_archive
from nasbench_suite.tabular.importers.nats_bench import decompress
from nasbench_suite.tabular.table import read_table, save_table
from nasbench_suite.training.blocks import read_block, store_block
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import load_data
from nasbench_suite.training.data.cifar import read_batch
from nasbench_suite.training.data.fashion_mnist import read_idx
from nasbench_suite.training.data.files import tar_members
from nasbench_suite.training.data.jpeg import read_packed
from nasbench_suite.training.data.splits import read_list
from nasbench_suite.training.plan import Block, BuildPlan
from nasbench_suite.training.recipes import get_recipe

MAPPING = {
    "benchmark": {"name": "mine", "licence": "none"},
    "metrics": {"valid": {"unit": "fraction", "direction": "max", "role": "valid", "description": "made up"}},
    "tasks": {"t": {"space": "nats_topology", "arch": "index", "columns": {"valid": "a / 100 + b"}}},
}


def imported(format_name: str, content: bytes, path: Path, suffix: str, options: dict[str, str]) -> int:
    """Import a file into a folder of its own; return how many tables came of it."""
    file = path.with_suffix(suffix)
    file.write_bytes(content)
    if format_name == "table":
        sheet = TableMapping.model_validate(MAPPING).datasheet()
        options = {"mapping": json.dumps(MAPPING)}
    else:
        sheet = datasheet_of(format_name)
    target = path.parent / "tables"
    with staged(target) as staging:
        importer(format_name)(ImportJob((file,), sheet, sheet.name, staging, options=options))
        return len(list(staging.iterdir()))


def reader_of(format_name: str, suffix: str, **options: str) -> Callable[[bytes, Path], Any]:
    """Return the importer of a format as a reader."""
    return lambda content, path: imported(format_name, content, path, suffix, options)


def read_tfrecord(content: bytes, path: Path) -> Any:
    """The records of a TFRecord file."""
    path.write_bytes(content)
    return list(read_records(path))


def read_whole_table(content: bytes, path: Path) -> Any:
    """Every array of a table, and a query."""
    path.write_bytes(content)
    table = read_table(path)
    arrays = [table.genes, *table.index_arrays.values(), *table.columns.values()]
    task = TabularBenchmark(table)
    return [array.sum() for array in arrays], task.query(table.genes[:2], info=["params_millions"])


def read_runs(content: bytes, path: Path) -> Any:
    """A record of runs."""
    path.write_bytes(content)
    return Runs.load(path).incumbents()


def read_nats_tar(content: bytes, path: Path) -> Any:
    """The members of an archive of NATS-Bench, unpacked."""
    path.write_bytes(content)
    archive = open_archive(path)
    members = [archive.meta, *archive.records.values()]
    return [read_pickle(decompress(member.read(), member.name), member.name) for member in members]


def read_mapping(content: bytes, path: Path) -> Any:
    """A card in TOML."""
    path.write_bytes(content)
    return read_card(path, TableMapping)


def read_idx_file(content: bytes, path: Path) -> Any:
    """An idx file, as it is and compressed."""
    path.write_bytes(content)
    packed = path.with_suffix(".gz")
    packed.write_bytes(gzip.compress(content, compresslevel=1))
    return read_idx(packed), read_idx(path)


def read_cifar_batch(content: bytes, path: Path) -> Any:
    """A file of CIFAR."""
    return read_batch(content, "input", "labels", 10)


def read_cifar_archive(content: bytes, path: Path) -> Any:
    """Members of a `.tar`, once as it is under gzip and once as if it were the compressed file."""
    path.write_bytes(gzip.compress(content, compresslevel=1))
    wanted = {f"folder/{name}": name for name in ("a", "b")}
    return tar_members(path, wanted, 1 << 20)


def read_split_file(content: bytes, path: Path) -> Any:
    """Two lists that share out six numbers."""
    path.write_bytes(content)
    return read_list(path, ("train", "valid"), 6)


def read_packed_jpeg(content: bytes, path: Path) -> Any:
    """JPEG images end to end."""
    return read_packed(content, path)


def read_one_jpeg(content: bytes, path: Path) -> Any:
    """The same of one image, behind all checksums."""
    return read_packed(_packed([content]), path)


def read_image_folder(content: bytes, path: Path) -> Any:
    """A folder with one image, whose name is one that trains."""
    folder = path.parent / "images" / "class"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "2.png").write_bytes(content)
    return load_data(f"folder:{folder.parent}", size=4)


def read_curves(content: bytes, path: Path) -> Any:
    """The curves of a build."""
    path.write_bytes(content)
    return read_curve_file(path).accuracy("valid")


def read_gan_trainings(content: bytes, path: Path) -> Any:
    """The trainings of generators."""
    path.write_bytes(content)
    return read_gan_file(path).progress()


def read_operators(content: bytes, path: Path) -> Any:
    """Measured operators, added up."""
    path.write_bytes(content)
    return read_operator_latencies(path, "macro").predict(np.zeros((1, 8), dtype=np.uint8))


def read_submitted(content: bytes, path: Path) -> Any:
    """Somebody's runs."""
    path.write_bytes(content)
    return read_submission(path).records("made/up")


def read_build_block(content: bytes, path: Path) -> Any:
    """A block of a build."""
    block = a_block()
    (path.parent / block.file).write_bytes(content)
    return read_block(block, path.parent)


@cache
def a_block() -> Block:
    """Three cells to be trained."""
    plan = BuildPlan.model_validate(
        {
            "benchmark": "made",
            "task": "made/up",
            "space": "nats_topology",
            "recipe": "short",
            "seeds": [0],
            "limit": 3,
            "data": {"name": "mnist1d", "train": 200, "valid": 200, "test": 200},
            "skeleton": {"inputs": 1, "classes": 10, "dims": 1, "width": 4, "style": "light"},
        }
    )
    return plan.blocks()[0]


@cache
def build_blocks() -> list[bytes]:
    """The file of a block."""
    block = a_block()
    curves = LearningCurves.empty(len(block.rows), get_recipe("short").epochs)
    with tempfile.TemporaryDirectory() as folder:
        store_block(block, curves, Path(folder), {"machine": "made up"})
        return [(Path(folder) / block.file).read_bytes()]


@cache
def curve_files() -> list[bytes]:
    """The curves of three cells, two epochs and two seeds."""
    curve, about = (2, 2, 3), {"plan": "{}", "request": "{}", "space": "nats_topology", "data": "made up"}
    curves = CurveFile(
        CurveDescription(
            **about,
            seeds=[0, 1],
            asked=[3, 2],
            epochs=2,
            inputs=dict.fromkeys(SPLITS, 100),
            environments=[{"machine": "made up"}],
        ),
        get_space("nats_topology").decode(np.arange(3)),
        np.zeros((2, 3), dtype=np.int8),
        {name: np.arange(3) for name in COUNTS},
        np.full((2, 3), -1),
        {split: np.full(curve, 50, dtype=np.int16) for split in SPLITS},
        {split: np.full(curve, 1.5, dtype=np.float32) for split in SPLITS},
        {name: np.full(curve, 1.5, dtype=np.float32) for name in SECONDS},
    )
    with tempfile.TemporaryDirectory() as folder:
        write_curve_file(curves, Path(folder) / "curves.h5")
        return [(Path(folder) / "curves.h5").read_bytes()]


@cache
def gan_files() -> list[bytes]:
    """The trainings of three generators at two checkpoints."""
    curve = (1, 2, 3)
    content = GanFile(
        GanDescription(
            request="{}",
            space="gan_two_cells",
            seeds=[0],
            asked=[3],
            steps=[10, 20],
            data="made up",
            classifier="made up",
            environments=[{"machine": "made up"}],
        ),
        get_space("gan_two_cells").sample(np.random.default_rng(0), 3),
        np.zeros((1, 3), dtype=np.int8),
        {name: np.full(curve, 1.5, dtype=np.float32) for name in CURVES},
        np.ones((1, 3), dtype=np.float32),
        np.zeros((3, 2, 5), dtype=np.float16),
    )
    with tempfile.TemporaryDirectory() as folder:
        write_gan_file(content, Path(folder) / "gan.h5")
        return [(Path(folder) / "gan.h5").read_bytes()]


@cache
def operator_files() -> list[bytes]:
    """Operators of the macro space."""
    space = get_space("macro")
    about = OperatorDescription(
        space="macro",
        name="box",
        machine="made up",
        skeleton={"inputs": 1},
        shape=(1, 40),
        batch=1,
        device="cpu",
        threads=1,
        precision="float32",
        engine="pytorch",
        variation=0.1,
        created_with="the fuzzer",
    )
    model = OperatorLatencies(about, np.ones((space.n_genes, max(space.cardinalities))), 0.5)
    with tempfile.TemporaryDirectory() as folder:
        save_operator_latencies(model, Path(folder) / "box.h5")
        return [(Path(folder) / "box.h5").read_bytes()]


@cache
def submissions() -> list[bytes]:
    """A submission of two runs, which has a file of a strategy, too."""
    rules = Rules.model_validate(
        {
            "title": "A board",
            "summary": "Made up.",
            "tasks": ["made/up"],
            "evaluations": 4,
            "strategies": [{"strategy": "random_search"}],
        }
    )
    files = {"strategy.py": b"x = 1\n", "records/made-up/block-0000.h5": tables()[1]}
    head = Head(
        format=1,
        contest=contest_of(rules),
        entry=rules.strategies[0],
        about="made up",
        made_with={"python": "3"},
        sha256={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    )
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in {"submission.json": head.model_dump_json().encode(), **files}.items():
            archive.writestr(name, content)
    return [whole.getvalue()]


@cache
def tfrecords() -> list[bytes]:
    """A file of a few records."""

    def checksum(part: bytes) -> bytes:
        return masked(crc32c(part, np.array([0]), np.array([len(part)]))).astype("<u4").tobytes()

    whole = b""
    for payload in (b"", b"record", b"x" * 300):
        length = struct.pack("<Q", len(payload))
        whole += length + checksum(length) + payload + checksum(payload)
    return [whole]


@cache
def tables() -> list[bytes]:
    """A table of twenty rows."""
    space = get_space("nats_topology")
    rng = np.random.default_rng(0)
    roles = {"valid_accuracy": "valid", "test_accuracy": "test", "params_millions": "info"}
    table = Table(
        TableDescription(
            task="made/up",
            space=space.name,
            valid="valid_accuracy",
            test="test_accuracy",
            rows="string",
            repeats=["a", "b"],
            licence="none",
            source="random numbers",
            source_version="1",
            source_sha256="0" * 64,
            created_with="the fuzzer",
        ),
        space.decode(np.arange(20)),
        np.array([1, 2], dtype=np.int32),
        {name: Metric(name, "fraction", "max", role, "made up") for name, role in roles.items()},
        {name: rng.random((20, 2, 2)) for name in roles},
    )
    with tempfile.TemporaryDirectory() as folder:
        save_table(table, Path(folder) / "table.h5")
        runs = Path(folder) / "runs.h5"
        task = TabularBenchmark(Table(*_complete(table)))
        search("random_search", task, evaluations=4, runs=2).save(runs)
        return [(Path(folder) / "table.h5").read_bytes(), runs.read_bytes()]


def _complete(table: Table) -> tuple[Any, ...]:
    """The parts of the same table with all rows of the space, so that it can be searched."""
    space = get_space("nats_topology")
    columns = {name: np.full((space.n_codes, 2, 2), 0.5) for name in table.columns}
    return table.description, space.decode(np.arange(space.n_codes)), table.epochs, table.metrics, columns


@cache
def archives() -> list[bytes]:
    """Archives in the simple form with two small records."""
    files = {
        "meta.pickle.pbz2": {"meta_archs": ["8:8:8:8:8"], "total_archs": 1},
        "000000.pickle.pbz2": {"01": {"arch_str": "8:8:8:8:8", "all_results": {("cifar10", 777): {0: 0.5}}}},
    }
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name, content in files.items():
            packed = bz2.compress(pickle.dumps(content))
            entry = tarfile.TarInfo(f"archive/{name}")
            entry.size = len(packed)
            archive.addfile(entry, io.BytesIO(packed))
    return [whole.getvalue()]


@cache
def macros() -> list[bytes]:
    """The JSON of NAS-Bench-Macro with three networks."""
    record = {"test_acc": [89.5, 88.0, 89.25], "mean_acc": 88.9, "std": 0.5, "params": 890666, "flops": 473}
    return [json.dumps(dict.fromkeys(("02012100", "11111221", "22222222"), record)).encode()]


@cache
def tables_of_text() -> list[bytes]:
    """CSV files of three cells."""
    rows = b"index,a,b\n0,91.5,0.25\n11472,90,0.5\n7,,1e-3\n"
    return [rows, rows.replace(b",", b";"), b"\xef\xbb\xbf" + rows.replace(b"\n", b"\r\n")]


@cache
def mappings() -> list[bytes]:
    """A mapping in TOML."""
    return [
        b'[benchmark]\nname = "mine"\nlicence = "none"\n[metrics.valid]\nunit = "fraction"\n'
        b'direction = "max"\nrole = "valid"\ndescription = "made up"\n[tasks.t]\nspace = "nats_topology"\n'
        b'arch = "index"\n[tasks.t.columns]\nvalid = { 12 = "a / 100", 200 = ["a", "b"] }\n'
    ]


@cache
def idx_files() -> list[bytes]:
    """Idx files of one and three axes."""
    return [
        bytes([0, 0, 8, 1, 0, 0, 0, 5, *range(5)]),
        bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, *range(24)]),
    ]


@cache
def cifar_batches() -> list[bytes]:
    """Files of CIFAR with two images."""
    value = {"data": np.arange(6144).astype(np.uint8).reshape(2, 3072), "labels": [0, 9], "filenames": ["a"]}
    return [pickle.dumps(value, protocol) for protocol in (2, 4)]


@cache
def cifar_archives() -> list[bytes]:
    """An archive of two files in a folder, not compressed."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name in ("a", "b", "c"):
            entry = tarfile.TarInfo(f"folder/{name}")
            entry.size = 9
            archive.addfile(entry, io.BytesIO(name.encode() * 9))
    return [whole.getvalue()]


@cache
def split_files() -> list[bytes]:
    """The lists of a split."""
    return [json.dumps({"train": ["int", ["0", "3", "4"]], "valid": ["int", ["1", "2", "5"]]}).encode()]


@cache
def images() -> list[bytes]:
    """Small images of every kind."""
    from PIL import Image

    files = []
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for kind in ("JPEG", "PNG", "BMP", "PPM"):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, kind)
        files.append(file.getvalue())
    return files


def _packed(files: list[bytes], write: Callable[..., Any] = np.savez) -> bytes:
    """Images end to end."""
    whole = io.BytesIO()
    write(
        whole,
        jpeg=np.frombuffer(b"".join(files), dtype=np.uint8),
        offset=np.cumsum([0, *map(len, files)]),
        label=np.arange(len(files), dtype=np.uint8),
    )
    return whole.getvalue()


@cache
def packed_images() -> list[bytes]:
    """Three JPEG images end to end, stored and compressed."""
    return [_packed(images()[:1] * 3), _packed(images()[:1] * 3, np.savez_compressed)]


@cache
def jpegs() -> list[bytes]:
    """JPEG images, grey and progressive ones, too."""
    from PIL import Image

    files = []
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for array, progressive in ((pixels, False), (pixels, True), (pixels[:, :, 0], False)):
        file = io.BytesIO()
        Image.fromarray(array).save(file, "JPEG", progressive=progressive)
        files.append(file.getvalue())
    return files


@cache
def boosters() -> list[bytes]:
    """Boosters that several releases of XGBoost and LightGBM pickled."""
    folder = Path(__file__).parents[1] / "golden" / "nasbench301" / "small"
    return [path.read_bytes() for path in sorted(folder.glob("*.model"))]


def read_booster(content: bytes, path: Path) -> Any:
    """The reader of pickled boosters."""
    return read_pickled_booster(content, "input")


FORMATS: dict[str, tuple[Callable[[bytes, Path], Any], Callable[[], list[bytes]], tuple[bytes, ...]]] = {
    "booster": (
        read_booster,
        boosters,
        (*OPCODES, b"CONFIG-offset:", b"Tree=", b"-1", b"1e999", b"end of trees"),
    ),
    "tfrecord": (read_tfrecord, tfrecords, ()),
    "table": (read_whole_table, tables, (b"sha256", b'"offset":', b'"shape":[', b"<f8", b"-1")),
    "runs": (read_runs, tables, (b"sha256",)),
    "curves": (read_curves, curve_files, (b"sha256",)),
    "gan": (read_gan_trainings, gan_files, (b"sha256",)),
    "operators": (read_operators, operator_files, (b"sha256",)),
    "submission": (read_submitted, submissions, (b"PK\1\2", b"PK\3\4", b"../", b'"format":', b"sha256")),
    "build_block": (read_build_block, build_blocks, (b"PK\1\2", b"PK\3\4", b"\x93NUMPY", b"<f8", b"|O")),
    "nats_archive": (read_nats_tar, archives, (b"../", b"ustar", b"BZh9")),
    "macro": (reader_of("nasbench-macro", ".json", partial="yes"), macros, (b"NaN", b"1e999", b"[" * 999)),
    "csv": (reader_of("table", ".csv"), tables_of_text, (b"inf", b"nan", b'"', b"1e999", b"\0")),
    "mapping": (read_mapping, mappings, (b"[[", b"'''", b"= {", b"[" * 999)),
    "idx": (read_idx_file, idx_files, (b"\0\0\x08", b"\0\0\x0d")),
    "cifar_batch": (read_cifar_batch, cifar_batches, OPCODES),
    "cifar_archive": (read_cifar_archive, cifar_archives, (b"../", b"ustar", b"\x1f\x8b")),
    "split_file": (read_split_file, split_files, (b"[" * 999, b"1e999", b"-1", b"null", b'"0"')),
    "packed_jpeg": (read_packed_jpeg, packed_images, (b"PK\1\2", b"PK\3\4", b"\x93NUMPY")),
    "jpeg": (read_one_jpeg, jpegs, (b"\xff\xd8", b"\xff\xc0", b"\xff\xc2", b"\xff\xda", b"\xff\xe2MPF\0")),
    "image_folder": (read_image_folder, images, (b"\xff\xd8", b"IHDR", b"PLTE", b"tRNS", b"zTXt", b"P6\n")),
}
"""Reader, seeds and meaningful words of each format."""
