"""The importer of Accel-NASBench: the shared CSV, and small ones with its columns."""

import csv
import gzip
from collections import defaultdict

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import ArchitectureError, DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.table import read_table

DEVICES = {"throughput": ["a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190"]}
DEVICES["latency"] = ["zcu102", "vck190"]
UNIT = {"throughput": "images_per_second", "latency": "ms"}
MEASURED = {
    f"{kind}_{spread}{UNIT[kind]}_{device}": f"{kind}_{device}{'_std' if spread else ''}"
    for kind, devices in DEVICES.items()
    for device in devices
    for spread in ("", "std_")
}
OTHER = {
    "top1_accuracy": "val_top1",
    "top5_accuracy": "val_top5",
    "training_seconds": "train_time",
    "macs_millions": "macs",
    "params_millions": "params",
}
GENES = [f"block{block}_{group}" for block in range(7) for group in ("e", "k", "l", "se")]


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


def benchmark():
    return TabularBenchmark(read_table(table_path("accel_nasbench/imagenet")))


def text_of(line):
    """The network of a line as `e6k3l1s0-...`."""
    blocks = []
    for block in range(7):
        e, k, l_, se = (line[f"block{block}_{group}"] for group in ("e", "k", "l", "se"))
        blocks.append(f"e{e}k{k}l{l_}s{int(se == 'True')}")
    return "-".join(blocks)


def number(cell):
    return float(cell) if cell else np.nan


def test_published_values_bit_for_bit(shared_data):
    path = shared_data / "accel_nasbench" / "imagenet_5138.csv.gz"
    assert import_tables("accel-nasbench", [path]) == ["accel_nasbench/imagenet"]
    found = benchmark()
    with gzip.open(path, "rt") as file:
        lines = list(csv.DictReader(file))
    entries = defaultdict(list)
    for line in lines:
        entries[text_of(line)].append(line)
    assert len(found.table) == len(entries) == 5125
    assert sorted(map(len, entries.values()), reverse=True)[:14] == [2] * 13 + [1]
    genes = np.array([found.space.parse(text) for text in entries])
    rows = found.rows(genes)
    for metric, column in {**MEASURED, **OTHER}.items():
        if all(not line[column] for line in lines):
            assert metric not in found.metrics
            continue
        values = found.table.columns[metric][rows, :, 0]
        expected = np.full((len(rows), 2), np.nan)
        for row, trainings in enumerate(entries.values()):
            for repeat, line in enumerate(trainings):
                expected[row, repeat] = number(line[column])
        if metric.endswith("accuracy"):
            expected = expected / 100
        elif metric.endswith("millions"):
            expected = expected[:, :1]
        assert np.array_equal(values, expected, equal_nan=True), metric
    known = {"throughput_images_per_second_tpuv3": 44, "throughput_images_per_second_tpuv2": 37}
    known |= {"throughput_images_per_second_3090": 3, "latency_ms_zcu102": 2}
    for metric, missing in known.items():
        assert np.isnan(found.table.columns[metric][:, 0]).sum() == missing
    assert (found.valid_metric, found.test_metric) == ("top1_accuracy", "top1_accuracy")
    assert found.cost_metric == "training_seconds"


def test_a_network_that_was_not_trained_is_refused(shared_data):
    import_tables("accel-nasbench", [shared_data / "accel_nasbench" / "imagenet_5138.csv.gz"])
    found = benchmark()
    genes = get_space("mnasnet").sample(np.random.default_rng(0), 1)
    with pytest.raises(ArchitectureError, match="is not in table accel_nasbench/imagenet"):
        found.query(genes)


def line(number, **changed):
    """A line of the CSV; all its values depend on `number`."""
    made = {"id": str(number)}
    for place, gene in enumerate(GENES):
        bit = number >> place & 1
        made[gene] = {"e": ("1", "6"), "k": ("3", "5"), "l": ("1", "3"), "se": ("False", "True")}[
            gene.split("_")[1]
        ][bit]
    for place, column in enumerate((*OTHER.values(), *MEASURED.values())):
        made[column] = repr(40 + place + number / 7)
    return {**made, **changed}


def written(tmp_path, lines, columns=None):
    path = tmp_path / "imagenet.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns or list(line(0)), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    return path


def refused(path, match, options=None):
    with pytest.raises(DamagedFileError, match=match):
        import_tables("accel-nasbench", [path], options={"partial": "yes"} if options is None else options)
    assert not list((path.parent / "data").rglob("*.h5"))


def test_small_file_with_a_network_trained_twice(tmp_path):
    again = line(2, train_time="17.5", val_top1="55", latency_zcu102="")
    lines = [line(1), line(2), line(5), again]
    import_tables("accel-nasbench", [written(tmp_path, lines)], options={"partial": "yes"})
    found = benchmark()
    genes = np.array([found.space.parse(text_of(entry)) for entry in lines[:3]])
    assert found.table.description.repeats == ["first training", "second training"]
    first = [float(entry["val_top1"]) / 100 for entry in lines[:3]]
    assert found.query(genes, repeat=0).valid.tolist() == first
    assert found.query(genes, repeat=0).seconds.tolist() == [float(e["train_time"]) for e in lines[:3]]
    assert found.query(genes[1:2], repeat=1).valid.tolist() == [0.55]
    assert found.query(genes[1:2]).valid[0] == pytest.approx((first[1] + 0.55) / 2, abs=1e-15)
    assert found.reveal(genes[:1]).test.tolist() == first[:1]
    info = found.query(genes, info=["params_millions", "latency_ms_zcu102"]).info
    assert info["params_millions"].tolist() == [float(entry["params"]) for entry in lines[:3]]
    assert info["latency_ms_zcu102"].tolist() == [float(entry["latency_zcu102"]) for entry in lines[:3]]


def test_lacking_lines_are_refused_unless_partial(tmp_path):
    path = written(tmp_path, [line(1)])
    refused(path, "has 1 entries, not 5,138; .* --partial", options={})
    import_tables("accel-nasbench", [path], options={"partial": "yes"})
    assert benchmark().table.description.repeats == ["first training"]
    with pytest.raises(NasbenchSuiteError, match="reads one file, not 2"):
        import_tables("accel-nasbench", [path, path])


SAME = {"val_top1": "41", "train_time": "9"}
BAD = {
    "no lines": ([], "has 0 entries"),
    "expansion": ([line(1), line(2, block3_e="3")], "line 3, column 'block3_e': '3' is not one of 1, 4, 6"),
    "kernel": ([line(1, block0_k="7")], "line 2, column 'block0_k': '7' is not one of 3, 5"),
    "layers": ([line(1, block4_l="4")], "line 2, column 'block4_l': '4' is not one of 1, 2, 3;"),
    "squeeze": ([line(1, block4_se="yes")], "column 'block4_se': 'yes' is not one of 0, 1, False, True"),
    "no network": ([line(1, block4_se="")], "column 'block4_se': '' is not one of"),
    "no accuracy": ([line(1, val_top1="")], "line 2, column 'val_top1': nan is no result"),
    "no time": ([line(1, train_time="")], "line 2, column 'train_time': nan is no result"),
    "text": ([line(1, macs="many")], "line 2, column 'macs': 'many' is no number"),
    "infinite": ([line(1, throughput_a100="inf")], "line 2, column 'throughput_a100' is infinite"),
    "negative": ([line(1, latency_zcu102="-1")], "column 'latency_zcu102': -1 is no result"),
    "above a hundred": ([line(1, val_top5="101")], "column 'val_top5': 101 is no result"),
    "entry twice": ([line(1), line(1)], "line 3: the network is there already in line 2, with the same"),
    "other size": ([line(1), line(1, params="9", **SAME)], "line 2, with other macs_millions or params"),
    "three times": ([line(1), line(1, **SAME), line(1)], "line 4: .* in line 2 and line 3"),
}


@pytest.mark.parametrize(("lines", "match"), BAD.values(), ids=BAD)
def test_bad_files_are_refused(tmp_path, lines, match):
    refused(written(tmp_path, lines), match)


def test_files_without_a_column_or_truncated_are_refused(tmp_path):
    columns = [name for name in line(0) if name != "throughput_tpuv3"]
    refused(written(tmp_path, [line(1)], columns), r"no column throughput_tpuv3 \(1 are lacking\)")
    path = written(tmp_path, [line(1), line(2)])
    whole = path.read_text()
    path.write_text(whole[: len(whole) - 200])
    refused(path, "line 3: .* cell")
    packed = tmp_path / "imagenet.csv.gz"
    packed.write_bytes(gzip.compress(whole.encode())[:-20])
    refused(packed, "truncated or corrupt")
