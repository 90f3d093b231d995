"""The importer of HELP's latencies: the shared files, and small archives in their structure."""

import csv
import gzip
import io
import zipfile

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import ArchitectureError, DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.importers.help import DEVICES
from nasbench_suite.tabular.table import read_table

ALL = {"partial": "yes"}


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


def table(dataset):
    return read_table(table_path(f"help/{dataset}"))


def written(tmp_path, arrays, name="help.npz"):
    path = tmp_path / name
    np.savez_compressed(path, **arrays)
    return path


def refused(path, match, options=ALL):
    with pytest.raises(DamagedFileError, match=match):
        import_tables("help", [path], options=options)
    assert not list((path.parent / "data").rglob("*.h5"))


@pytest.mark.parametrize(
    ("dataset", "file"),
    [("nats_topology", "help_nb201_latency_27dev.npz"), ("fbnet", "help_fbnet5000_latency_27dev.npz")],
)
def test_published_values_bit_for_bit(shared_data, dataset, file):
    path = shared_data / "help" / file
    assert import_tables("help", [path]) == [f"help/{dataset}"]
    found = table(dataset)
    with np.load(path) as published:
        devices = set(published.files) - {"arch"}
        assert {f"latency_ms_{device}" for device in devices} == set(found.metrics)
        assert len(devices) == 27
        for device in devices:
            assert np.array_equal(found.columns[f"latency_ms_{device}"][:, 0, 0], published[device])
        if dataset == "fbnet":
            assert np.array_equal(found.genes, published["arch"])


def test_cells_are_in_the_official_order(shared_data):
    """Four columns are HW-NAS-Bench's, which names its cells."""
    import_tables("help", [shared_data / "help" / "help_nb201_latency_27dev.npz"])
    benchmark = TabularBenchmark(table("nats_topology"))
    with gzip.open(shared_data / "hw_nas_bench" / "nats_topology_cifar10.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    genes = np.array([benchmark.space.parse(row["arch_str"]) for row in rows])
    devices = ["eyeriss", "fpga", "raspi4", "pixel3"]
    found = benchmark.query(genes, info=[f"latency_ms_{device}" for device in devices]).info
    for device in devices:
        named = [float(row[f"{device}_latency"]) for row in rows]
        assert found[f"latency_ms_{device}"] == pytest.approx(named, rel=1e-6)


def test_both_files_at_once_and_twice_the_same(shared_data):
    files = sorted((shared_data / "help").glob("*.npz"))
    assert import_tables("help", files) == ["help/fbnet", "help/nats_topology"]
    with pytest.raises(NasbenchSuiteError, match="two files are of space fbnet"):
        import_tables("help", [files[0], files[0]])


NETWORKS = np.array([[8] * 22, [0] * 21 + [8], list(range(9)) + [1] * 13])
CELLS = 15625


def small(dtype=np.int64):
    devices = sorted(DEVICES["fbnet"])
    values = {device: np.arange(3) + place / 7 + 1 for place, device in enumerate(devices)}
    return {"arch": NETWORKS.astype(dtype), **values}


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int16])
def test_a_small_archive_of_fbnet(tmp_path, dtype):
    arrays = small(dtype)
    import_tables("help", [written(tmp_path, arrays)], options=ALL)
    benchmark = TabularBenchmark(table("fbnet"))
    order = np.array([2, 0, 1])
    for device in DEVICES["fbnet"]:
        name = f"latency_ms_{device}"
        found = benchmark.query(NETWORKS[order].astype(np.uint8), info=[name]).info[name]
        assert np.array_equal(found, arrays[device][order])
    with pytest.raises(ArchitectureError, match="is not in table help/fbnet"):
        benchmark.query(np.full((1, 22), 3, dtype=np.uint8), info=["latency_ms_fpga"])
    with pytest.raises(NasbenchSuiteError, match="no validation results"):
        benchmark.query(benchmark.table.genes)


def test_a_made_up_archive_of_cells(tmp_path):
    arrays = {device: np.arange(CELLS) + 1.5 for device in DEVICES["nats_topology"]}
    import_tables("help", [written(tmp_path, arrays)])
    space = get_space("nats_topology")
    genes = table("nats_topology").genes
    assert np.array_equal(genes, [space.parse(str(index)) for index in range(CELLS)])


def test_lacking_networks_or_devices_are_refused_unless_partial(tmp_path):
    refused(written(tmp_path, small()), r"has 3 networks, not 5,000; .* --partial", options={})
    lacking = {name: values for name, values in small().items() if name != "pixel2"}
    path = written(tmp_path, {**lacking, "pixel3": lacking["pixel3"]})
    import_tables("help", [path], options=ALL)
    assert len(table("fbnet").metrics) == 26
    cells = {device: np.ones(CELLS) for device in DEVICES["nats_topology"] if device != "fpga"}
    with pytest.raises(DamagedFileError, match="lacks 1 of 27 device settings, one of them fpga"):
        import_tables("help", [written(tmp_path, cells)])


def changed(**arrays):
    return {**small(), **arrays}


NAN, INFINITE, NEGATIVE, ZERO = (np.array([1.0, 2.0, value]) for value in (np.nan, np.inf, -1, 0))
BAD = {
    "nan": (changed(pixel2=NAN), "pixel2 of architecture 2 is nan"),
    "infinite": (changed(pixel2=INFINITE), "pixel2 of architecture 2 is inf"),
    "negative": (changed(pixel2=NEGATIVE), "pixel2 of architecture 2 is -1"),
    "zero": (changed(pixel2=ZERO), "pixel2 of architecture 2 is 0"),
    "short": (changed(pixel2=np.ones(2)), r"pixel2 is float64 of shape \(2,\)"),
    "matrix": (changed(pixel2=np.ones((3, 1))), r"pixel2 is float64 of shape \(3, 1\)"),
    "text": (changed(pixel2=np.array(["1", "2", "3"])), "pixel2 is <U1 of shape"),
    "complex": (changed(pixel2=np.ones(3, dtype=complex)), "pixel2 is complex128"),
    "unknown device": (changed(abacus=np.ones(3)), "'abacus', which is no device setting"),
    "device of the other space": (changed(titanx_256=np.ones(3)), "'titanx_256', which is no device"),
    "float blocks": (changed(arch=NETWORKS.astype(float)), "'arch' is float64"),
    "21 layers": (changed(arch=NETWORKS[:, 1:]), r"shape \(3, 21\), not integers of shape \(networks, 22\)"),
    "block 9": (changed(arch=NETWORKS + 1), "network 0, .* has a block that is not 0 to 8"),
    "block -1": (changed(arch=NETWORKS - 1), "network 1, .* has a block that is not 0 to 8"),
    "block 256": (changed(arch=NETWORKS + 256), "network 0, .* has a block that is not 0 to 8"),
    "twice": (changed(arch=NETWORKS[[0, 1, 0]]), "has more than one row"),
    "no networks": (changed(arch=NETWORKS[:0]), "has 0 networks"),
    "only networks": ({"arch": NETWORKS}, "'nothing', which is no device setting"),
    "no cells": ({"pixel2": np.ones(3)}, r"pixel2 is float64 of shape \(3,\).* 15,625"),
    "other archive": ({"train": np.ones((200, 200))}, "'train', which is no device setting"),
    "empty": ({}, "'nothing', which is no device setting"),
}


@pytest.mark.parametrize(("arrays", "match"), BAD.values(), ids=BAD)
def test_bad_archives_are_refused(tmp_path, arrays, match):
    refused(written(tmp_path, arrays), match)


def test_truncated_files_are_refused(tmp_path):
    path = written(tmp_path, small())
    whole = path.read_bytes()
    for length in range(0, len(whole), 101):
        path.write_bytes(whole[:length])
        refused(path, "truncated or no .npz file")


def test_objects_are_not_unpickled(tmp_path):
    refused(written(tmp_path, changed(pixel2=np.array([1, None, 2]))), "no .npz file of plain numbers")


def archive(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


def test_other_members_and_bombs_are_refused(tmp_path):
    path = tmp_path / "help.npz"
    refused(archive(path, [("pixel2.npy", b"no array")]), "no .npz file of plain numbers")
    refused(archive(path, [("pixel2.npy", bytes(1 << 25))]), "holds 'pixel2.npy', larger than any array")
    with io.BytesIO() as memory:
        np.save(memory, np.ones(3))
        claims = memory.getvalue().replace(b"(3,)", b"(3000000000000,)").replace(b" " * 12 + b"\n", b"\n")
    refused(archive(path, [("pixel2.npy", claims)]), "no .npz file of plain numbers")


def test_folders_of_something_else_are_refused(tmp_path):
    with pytest.raises(NasbenchSuiteError, match="has no folder latency"):
        import_tables("help", [tmp_path])
    (tmp_path / "latency").mkdir()
    refused(tmp_path, "'nothing', which is no device setting")


def folder(tmp_path, arrays, *, legacy=False):
    """The official folder of a space, written by torch."""
    torch = pytest.importorskip("torch", reason="torch writes the official files")
    path = tmp_path / "fbnet"
    (path / "latency").mkdir(parents=True)
    new = not legacy
    for device, values in arrays.items():
        if device != "arch":
            torch.save(values, path / "latency" / f"{device}.pt", _use_new_zipfile_serialization=new)
    if "arch" in arrays:
        networks = {"arch": [{"op_idx_list": row} for row in arrays["arch"]], "more": [1.5]}
        torch.save(networks, path / "metainfo.pt", _use_new_zipfile_serialization=new)
    return path


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("form", [np.ndarray.tolist, list, np.array], ids=["floats", "scalars", "arrays"])
def test_the_official_folders(tmp_path, form, legacy):
    arrays = {name: form(values) for name, values in small().items()}
    arrays["arch"] = NETWORKS.tolist()
    path = folder(tmp_path, arrays, legacy=legacy)
    for given in (path, tmp_path):
        assert import_tables("help", [given], options=ALL) == ["help/fbnet"]
        found = table("fbnet")
        assert np.array_equal(found.genes, NETWORKS)
        for device in DEVICES["fbnet"]:
            assert np.array_equal(found.columns[f"latency_ms_{device}"][:, 0, 0], small()[device])


def test_an_official_folder_of_cells(tmp_path):
    path = folder(tmp_path, {"pixel2": list(range(1, CELLS + 1))})
    refused(path, "fbnet lacks 26 of 27 device settings, one of them 1080ti_1; .* --partial", options={})
    import_tables("help", [path], options=ALL)
    assert table("nats_topology").columns["latency_ms_pixel2"].ravel().tolist() == list(range(1, CELLS + 1))


PLAIN = [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"pixel2": {"a": 1.0}}, "latency/pixel2.pt holds no plain numbers"),
        ({"pixel2": []}, "latency/pixel2.pt holds no plain numbers"),
        ({"pixel2": [1.0, "2", 3.0]}, "latency/pixel2.pt holds no plain numbers"),
        ({"pixel2": [1.0, True, 3.0]}, "latency/pixel2.pt holds no plain numbers"),
        ({"pixel2": [[1.0], 2.0, 3.0]}, "latency/pixel2.pt holds no plain numbers"),
        ({"pixel2": PLAIN}, "pixel2 is float64 of shape"),
        ({"pixel2": PLAIN, "arch": [None] * 3}, "fbnet/metainfo.pt holds no plain numbers"),
        ({"pixel2": PLAIN, "arch": [[1] * 22, [1] * 21, [2] * 22]}, "fbnet/metainfo.pt holds no plain"),
        ({"pixel2": [1.0, -2.0, 3.0], "arch": NETWORKS.tolist()}, "pixel2 of architecture 1 is -2"),
    ],
)
def test_bad_folders_are_refused(tmp_path, arrays, match):
    path = folder(tmp_path, arrays)
    refused(path, match)
    truncated = path / "latency" / "pixel2.pt"
    truncated.write_bytes(truncated.read_bytes()[:-20])
    refused(path, "pixel2.pt")
