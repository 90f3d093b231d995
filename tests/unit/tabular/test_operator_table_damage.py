"""Operator tables that are damaged, or sealed by somebody else: refused, never misread."""

import random
from dataclasses import replace

import h5py
import numpy as np
import pytest
from operator_tables import DESCRIPTION, METRICS, NAMES, drawn, made

from nasbench_suite import get_space
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular.catalogue import read_any_table
from nasbench_suite.tabular.operator_table import (
    read_operator_table,
    save_operator_table,
)


@pytest.fixture(scope="module")
def table():
    return made()


@pytest.fixture
def path(table, tmp_path):
    save_operator_table(table, tmp_path / "sums.h5")
    return tmp_path / "sums.h5"


def test_a_flipped_byte_anywhere_is_noticed_or_not_ours(path, readings_of_flipped):
    whole, stated = path.read_bytes(), read_operator_table(path).sha256
    first, seal, _ = whole.split(b"\n", 2)
    sealed = len(first) + len(seal) + 2 + int(seal.split(b" ")[2])
    ours = set(range(sealed))
    with h5py.File(path) as file:
        for part in ("before", "operators", "after"):
            for entry in file[part].values():
                start = entry.id.get_offset()
                ours |= set(range(start, start + entry.id.get_storage_size()))
    draw = random.Random(0)
    elsewhere = sorted(set(range(len(whole))) - ours)
    positions = [*range(len(first)), *draw.sample(elsewhere, 100), *draw.sample(sorted(ours), 200)]
    found = readings_of_flipped(path, "nasbench_suite.tabular.catalogue:read_any_table", positions)
    assert found == {byte: "refused" if byte in ours else f"read {stated}" for byte in positions}


@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedFileError, match="truncated or corrupt"):
        read_any_table(path)


def test_another_schema_is_refused_with_its_number(path):
    path.write_bytes(path.read_bytes().replace(b"operator-table 1\n", b"operator-table 7\n", 1))
    with pytest.raises(DamagedFileError, match="operator-table of schema 7, this version reads 1"):
        read_any_table(path)


@pytest.mark.parametrize("name", ["operators/latency_ms", "before/energy_mj", "after/energy_mj"])
@pytest.mark.parametrize(
    "change",
    [
        {"shape": [9, 22]},
        {"shape": [21, 9]},
        {"shape": [22, 8]},
        {"shape": [198]},
        {"shape": [1]},
        {"shape": []},
        {"shape": [0]},
        {"dtype": "<i8"},
        {"dtype": ">f8"},
        {"dtype": "<f4"},
        {"dtype": "<u8"},
        {"dtype": "object"},
        {"shape": "22"},
        {"offset": 10**9},
        {"offset": -8},
    ],
    ids=str,
)
def test_an_array_of_another_type_or_shape_is_refused(path, name, change, manifest_edited):
    with manifest_edited(path) as manifest:
        entry = manifest["arrays"][name]
        entry.update(change)
        if change.keys() == {"shape"} and isinstance(change["shape"], list):
            entry["sha256"] = None
    with pytest.raises(DamagedFileError):
        read_operator_table(path)


@pytest.mark.parametrize("name", ["operators/latency_ms", "before/energy_mj", "after/latency_ms"])
def test_a_file_without_an_array_is_refused(path, name, manifest_edited):
    with manifest_edited(path) as manifest:
        del manifest["arrays"][name]
    with pytest.raises(DamagedFileError):
        read_operator_table(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("name", ["operators/latency_ms", "before/energy_mj", "after/latency_ms"])
def test_a_resealed_number_that_is_none_is_refused(path, name, value, manifest_edited):
    with h5py.File(path, "r+") as file:
        file[name][...] = value
    with manifest_edited(path) as manifest:
        manifest["arrays"][name]["sha256"] = None
    with pytest.raises(DamagedFileError):
        read_operator_table(path)


HEADS = {
    "none": lambda head: head.clear(),
    "no description": lambda head: head.pop("description"),
    "no metrics": lambda head: head.pop("metrics"),
    "no names before": lambda head: head.pop("before"),
    "metrics empty": lambda head: head.update(metrics={}),
    "metrics a list": lambda head: head.update(metrics=["latency_ms"]),
    "one name more": lambda head: head["after"].append("f"),
    "names that are numbers": lambda head: head.update(before=[1, 2]),
    "names in one text": lambda head: head.update(before="ab"),
    "another space": lambda head: head["description"].update(space="nats_topology"),
    "a space of other layers": lambda head: head["description"].update(space="nats_size"),
    "unequal layers": lambda head: head["description"].update(space="mnasnet"),
    "validation": lambda head: head["description"].update(valid="latency_ms"),
    "test": lambda head: head["description"].update(test="latency_ms"),
    "two repeats": lambda head: head["description"].update(repeats=["a", "b"]),
    "no repeat": lambda head: head["description"].update(repeats=[]),
    "a metric without costs": lambda head: head["metrics"].update(more=head["metrics"]["latency_ms"]),
    "a metric of another name": lambda head: head["metrics"]["latency_ms"].update(name="energy_mj"),
    "a metric that steers": lambda head: head["metrics"]["latency_ms"].update(role="valid"),
    "a metric that is seconds": lambda head: head["metrics"]["latency_ms"].update(role="cost"),
    "a metric of epochs": lambda head: head["metrics"]["latency_ms"].update(recorded="each epoch"),
    "a metric that goes sideways": lambda head: head["metrics"]["latency_ms"].update(direction="sideways"),
    "a metric with a colour": lambda head: head["metrics"]["latency_ms"].update(colour="red"),
    "a metric that is no dictionary": lambda head: head["metrics"].update(latency_ms=7),
}


@pytest.mark.parametrize("change", HEADS.values(), ids=HEADS)
def test_a_resealed_head_that_disagrees_is_refused(path, change, manifest_edited):
    with manifest_edited(path) as manifest:
        change(manifest["head"])
    with pytest.raises(DamagedFileError):
        read_operator_table(path)


def test_a_table_that_disagrees_is_not_made():
    costs = {name: drawn(0) for name in NAMES}
    bad = costs["latency_ms"]._replace(operators=np.ones((22, 9), dtype=np.float32))
    with pytest.raises(ValueError, match=r"float32 \(22, 9\), not float64"):
        made(costs={**costs, "latency_ms": bad})
    with pytest.raises(ValueError, match="not those that costs are given of"):
        made(costs={"latency_ms": drawn(0)})
    space = get_space("mnasnet")
    operators = np.ones((space.n_genes, space.cardinalities[0]))
    elsewhere = {name: drawn(0)._replace(operators=operators) for name in NAMES}
    with pytest.raises(ValueError, match="mnasnet are no layers that choose from the same operations"):
        made(description=DESCRIPTION.model_copy(update={"space": "mnasnet"}), costs=elsewhere)
    with pytest.raises(ValueError, match="metric energy_mj is"):
        made(metrics={**METRICS, "energy_mj": replace(METRICS["energy_mj"], role="test")})
