"""The importer of EC-NAS: the published files against a plain reading of them, and damaged ones."""

import base64
import json
import struct

import numpy as np
import official_nasbench101 as official
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.table import check_index, read_table

FILES = {"4v": "energy_4V9E.tfrecord", "5v": "energy_5V9E.tfrecord"}
PARTIAL = {"partial": "yes"}
# Field numbers of model_metrics_energy.proto
EVALUATION = {
    "training_seconds": 2,
    "train_accuracy": 3,
    "valid_accuracy": 4,
    "test_accuracy": 5,
    "energy_kwh": 6,
    "co2eq_grams": 7,
    "carbon_intensity_grams_per_kwh": 8,
}
PREDICTED = {
    "energy_kwh": 11,
    "co2eq_grams": 12,
    "training_seconds": 13,
    "carbon_intensity_grams_per_kwh": 14,
}
TOTAL = {"seconds": 3, "energy_kwh": 4, "co2eq_grams": 5, "carbon_intensity_grams_per_kwh": 8}


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


def payloads(path):
    """The payloads of a TFRecord file, checksums ignored."""
    whole, place, found = path.read_bytes(), 0, []
    while place < len(whole):
        (length,) = struct.unpack_from("<Q", whole, place)
        found.append(whole[place + 12 : place + 12 + length])
        place += length + 16
    return found


def fields(message):
    """A message as a list of number and value: floats, integers, bytes."""
    place, found = 0, []

    def varint():
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while place < len(message):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        elif key & 7 == 1:
            found.append((key >> 3, struct.unpack_from("<d", message, place)[0]))
            place += 8
        else:
            length = varint()
            found.append((key >> 3, message[place : place + length]))
            place += length
    return found


def numbers(message):
    """Every metric of a record's message, by the name that the tables give it."""
    outer = fields(message)
    top = dict(outer)
    evaluations = [dict(fields(content)) for number, content in outer if number == 1]
    found = {"params_millions": top[2] / 1e6, "intermediate_epochs": evaluations[1][1]}
    for prefix, evaluation in zip(("initial_", "intermediate_", ""), evaluations, strict=True):
        found |= {prefix + name: evaluation[field] for name, field in EVALUATION.items()}
    found |= {f"predicted_{name}": evaluations[2][field] for name, field in PREDICTED.items()}
    found |= {f"total_{name}": top[field] for name, field in TOTAL.items()}
    for device, number in (("gpu", 1), ("cpu", 2)):
        used = dict(fields(dict(fields(top[9]))[number]))
        found[f"{device}_power_watts"] = dict(fields(used[1]))[1]
        found[f"{device}_energy_joules"] = dict(fields(used[2]))[1]
    return found


def genes_of(adjacency, operations):
    names = operations.split(",")
    bits = np.array(list(map(int, adjacency))).reshape(len(names), len(names))
    return get_space("nasbench101").from_matrix(bits, names)


def benchmark(size):
    return TabularBenchmark(read_table(table_path(f"ec_nas/cifar10-{size}")))


def written(tmp_path, records):
    path = tmp_path / "energy.tfrecord"
    path.write_bytes(official.tfrecord(records))
    return path


def refused(path, match, options=None):
    with pytest.raises(DamagedFileError, match=match):
        import_tables("ec-nas", [path], options=options)
    assert not list((path.parent / "data").rglob("*.h5"))


@pytest.mark.parametrize(("size", "cells", "repeats"), [("4v", 91, 3), ("5v", 2532, 1)])
def test_published_values_bit_for_bit(shared_data, size, cells, repeats):
    path = shared_data / "ec_nas" / FILES[size]
    assert import_tables("ec-nas", [path]) == [f"ec_nas/cifar10-{size}"]
    found = benchmark(size)
    check_index(found.table)
    assert len(found.table) == cells
    assert found.repeats == repeats
    assert found.fidelities == ((4, 12, 36, 108) if size == "4v" else (4,))
    rows_of, seen = {}, {}
    checked = dict.fromkeys(found.metrics, 0)
    for payload in payloads(path):
        module_hash, epochs, adjacency, operations, metrics = json.loads(payload)
        if module_hash not in rows_of:
            rows_of[module_hash] = int(found.rows(genes_of(adjacency, operations)[None])[0])
        row = rows_of[module_hash]
        repeat = seen[module_hash, epochs] = seen.get((module_hash, epochs), -1) + 1
        expected = numbers(base64.b64decode(metrics))
        assert expected.keys() == found.metrics.keys()
        at = found.fidelities.index(epochs)
        for name, value in expected.items():
            values = found.table.columns[name]
            place = (row, 0, 0) if name == "params_millions" else (row, repeat, at)
            assert values[place] == value
            checked[name] += 1
    assert set(rows_of.values()) == set(range(cells))
    assert set(checked.values()) == {len(payloads(path))}


def test_cells_of_few_vertices_are_all_there_are(shared_data):
    """The numbers of cells agree with the enumeration of the whole space."""
    lines = official.read_lines(shared_data / "nasbench101" / "space_423624.csv.gz", 3000)
    sizes = [int(line["vertices"]) for line in lines]
    assert sizes == sorted(sizes)
    assert (sum(size <= 4 for size in sizes), sum(size <= 5 for size in sizes)) == (91, 2532)
    import_tables("ec-nas", [shared_data / "ec_nas" / file for file in FILES.values()])
    for size, cells in (("4v", 91), ("5v", 2532)):
        genes = np.array([get_space("nasbench101").parse(f"{x['upper_triangle']}:{x['ops']}") for x in lines])
        assert sorted(benchmark(size).rows(genes[:cells]).tolist()) == list(range(cells))


def test_what_the_datasheet_says_of_the_numbers(shared_data):
    import_tables("ec-nas", [shared_data / "ec_nas" / file for file in FILES.values()])
    small, large = benchmark("4v").table.columns, benchmark("5v").table.columns
    assert (small["intermediate_epochs"] == 1).all()
    assert (large["intermediate_epochs"] == 2).all()
    spent = large["energy_kwh"] - large["initial_energy_kwh"]
    half = large["intermediate_energy_kwh"] - large["initial_energy_kwh"]
    assert np.median(spent / half) == pytest.approx(2, abs=0.05)
    for columns in (small, large):
        ratio = columns["gpu_energy_joules"] / (columns["gpu_power_watts"] * columns["total_seconds"])
        assert np.median(ratio) == pytest.approx(1, abs=0.01)
        assert np.allclose(columns["test_accuracy"] * 9984 % 1 % 0.999, 0, atol=2e-3)


def test_roles(shared_data):
    import_tables("ec-nas", [shared_data / "ec_nas" / FILES["4v"]])
    found = benchmark("4v")
    genes = found.space.parse("1:")[None]
    assert found.query(genes, epochs=108, info=["energy_kwh"]).info["energy_kwh"][0] > 0
    assert (
        found.query(genes).seconds[0]
        == found.query(genes, info=["training_seconds"]).info["training_seconds"]
    )
    with pytest.raises(NasbenchSuiteError, match="visible to a search"):
        found.query(genes, info=["intermediate_test_accuracy"])


@pytest.fixture(scope="module")
def records(shared_data):
    return payloads(shared_data / "ec_nas" / FILES["4v"])


def with_metrics(payload, message):
    parts = json.loads(payload)
    return json.dumps([*parts[:4], base64.b64encode(message).decode()]).encode()


def test_lacking_records_are_refused_unless_partial(records, tmp_path):
    one_less = [record for record in records if json.loads(record)[0] != "5529e1779433733d1145e20de5d8604e"]
    refused(written(tmp_path, one_less), "lacks 1 of 91 cells of at most 4 vertices, .* --partial")
    refused(written(tmp_path, records[:-1]), r"has 2 training\(s\) of .* for 108 epochs, not 3; .* --partial")
    import_tables("ec-nas", [written(tmp_path, one_less[:-1])], options=PARTIAL)
    found = benchmark("4v").table
    assert len(found) == 90
    assert np.isnan(found.columns["energy_kwh"]).sum() == 1


def test_files_of_larger_cells_and_two_of_one_size(records, shared_data, tmp_path):
    large = shared_data / "ec_nas" / FILES["5v"]
    with pytest.raises(NasbenchSuiteError, match="two files are of cells with 5 vertices"):
        import_tables("ec-nas", [large, large])
    line = official.read_lines(shared_data / "nasbench101" / "sample_30001.csv.gz", 1)[0]
    message = official.metrics([(epoch, official.made_up(1, epoch)) for epoch in (0, 2, 4)], 5)
    seven = official.record(official.cell(line), 4, message)
    with pytest.raises(NasbenchSuiteError, match="a cell of more than 5 vertices"):
        import_tables("ec-nas", [written(tmp_path, [*records, seven])])


def test_a_file_without_energies_has_none(tmp_path):
    """NAS-Bench-101's own records lack the fields of energy: they are missing, not zero."""
    smallest = ("043721b9c7fe8c5fad811d47d83132ec", "0100", "input,output")
    message = official.metrics([(epoch, official.made_up(1, epoch)) for epoch in (0, 2, 4)], 5)
    import_tables("ec-nas", [written(tmp_path, [official.record(smallest, 4, message)])], options=PARTIAL)
    columns = benchmark("4v").table.columns
    assert columns["valid_accuracy"][0, 0, 0] == official.made_up(1, 4)[4]
    assert np.isnan(columns["energy_kwh"]).all()
    assert np.isnan(columns["gpu_power_watts"]).all()


def test_bad_records_are_refused(records, tmp_path):
    message = base64.b64decode(json.loads(records[3])[4])
    energy = dict(fields(message))[4]
    for value, said in ((-1.0, "-1"), (np.inf, "inf")):
        changed = message.replace(struct.pack("<d", energy), struct.pack("<d", value))
        bad = [*records[:3], with_metrics(records[3], changed), *records[4:]]
        refused(written(tmp_path, bad), f"record 4: total_energy_kwh is {said}")
    refused(
        written(tmp_path, [*records, with_metrics(records[3], message[:-1])]), "record 1,093: .*malformed"
    )
    refused(written(tmp_path, []), "has no records")
    parts = json.loads(records[0])
    parts[0] = "0" * 32
    refused(written(tmp_path, [json.dumps(parts).encode(), *records[1:]]), "its hash is not the one")


def test_truncated_files_are_refused(shared_data, tmp_path):
    whole = (shared_data / "ec_nas" / FILES["5v"]).read_bytes()
    path = tmp_path / "energy.tfrecord"
    for length in (1, 11, 12, 500, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused(path, "record")
