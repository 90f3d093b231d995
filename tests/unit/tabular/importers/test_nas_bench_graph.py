"""The importer of NAS-Bench-Graph's light files: what is accepted, what is refused."""

import hashlib
import pickle
from importlib import metadata

import numpy as np
import pytest

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces import get_space
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.importers import nas_bench_graph
from nasbench_suite.tabular.importers.nas_bench_graph import read_light_file
from nasbench_suite.tabular.table import check_index

GOOD = {"valid_perf": 0.5, "perf": 0.25, "latency": 0.001, "para": 1.5, "hash": 3}
CELLS = {
    81111: GOOD,
    112: {**GOOD, "perf": np.float64(0.75)},
}  # 0123:gcn,gcn,gcn,gcn and 0000:gat,gcn,gcn,gin


@pytest.fixture(scope="module")
def sheet():
    return datasheets()["graph"]


def imported(sheet, records, task="graph/cora"):
    return read_light_file(pickle.dumps(records), "made.bench", sheet, task)


def test_cells_are_rows_in_ascending_order(sheet):
    table = imported(sheet, CELLS)
    assert get_space("graph").format(table.genes) == ["0000:gat,gcn,gcn,gin", "0123:gcn,gcn,gcn,gcn"]
    expected = {
        "valid_accuracy": [0.5, 0.5],
        "test_accuracy": [0.75, 0.25],
        "latency_seconds": [0.001, 0.001],
        "params_millions": [1.5, 1.5],
    }
    assert {name: column[:, 0, 0].tolist() for name, column in table.columns.items()} == expected
    assert table.epochs.tolist() == []
    check_index(table)


def test_operations_of_proteins_are_numbered_as_in_the_larger_space(sheet):
    table = imported(sheet, {81457: GOOD}, "graph/proteins")
    assert get_space("graph_proteins").format(table.genes) == ["0123:gcn,sage,arma,fc"]
    assert {"valid_roc_auc", "test_roc_auc"} < set(table.columns)


def test_provenance_names_package_version_and_checksum(sheet):
    content = pickle.dumps(CELLS)
    description = read_light_file(content, "made.bench", sheet, "graph/cora").description
    assert description.source_sha256 == hashlib.sha256(content).hexdigest()
    assert description.source_version == metadata.version("nas-bench-graph")
    assert (description.task, description.space, description.rows) == ("graph/cora", "graph", "class")
    assert description.licence == "Apache-2.0"


@pytest.mark.parametrize(
    "records",
    [
        [GOOD],
        {"81111": GOOD},
        {True: GOOD},
        {},
        {181111: GOOD},
        {112 - 10**5: GOOD},
        {10**30: GOOD},
        {81111: 0.5},
        {81111: {**GOOD, "perf": "0.5"}},
        {81111: {**GOOD, "perf": None}},
        {81111: {**GOOD, "perf": 10**400}},
        {81111: {**GOOD, "perf": float("nan")}},
        {81111: {**GOOD, "latency": float("inf")}},
        {81111: {key: value for key, value in GOOD.items() if key != "para"}},
    ],
    ids=lambda records: str(records)[:30],
)
def test_files_of_another_form_are_refused(sheet, records):
    with pytest.raises(DamagedFileError, match="no light file of NAS-Bench-Graph"):
        imported(sheet, records)


@pytest.mark.parametrize("cell", [91111, 81119, 88888], ids=str)
def test_cells_outside_the_space_are_refused(sheet, cell):
    with pytest.raises(DamagedFileError, match="not in space graph"):
        imported(sheet, {**CELLS, cell: GOOD})


@pytest.mark.parametrize("cell", [80011, 80122], ids=["gat", "gin"])
def test_operations_that_proteins_lacks_are_refused(sheet, cell):
    with pytest.raises(DamagedFileError, match="not in space graph_proteins"):
        imported(sheet, {cell: GOOD}, "graph/proteins")


def test_cells_that_are_not_canonical_are_refused(sheet):
    with pytest.raises(DamagedFileError, match="not canonical"):
        imported(sheet, {211: GOOD, 81111: GOOD})


def test_an_installation_without_its_file_is_an_error_that_says_so(sheet, monkeypatch, tmp_path):
    monkeypatch.setattr(nas_bench_graph, "_package_folder", lambda: tmp_path)
    with pytest.raises(nas_bench_graph.NasbenchSuiteError, match=r"cora\.bench cannot be read; install"):
        nas_bench_graph.from_package(sheet, "graph/cora")


@pytest.mark.parametrize(("task", "rows"), [("graph/cora", 26_206), ("graph/proteins", 2_021)])
def test_the_package_is_read_whole(sheet, task, rows):
    table = nas_bench_graph.from_package(sheet, task)
    assert len(table.genes) == rows
    check_index(table)
    space = get_space(table.description.space)
    every = space.decode(np.arange(space.n_codes))
    assert np.array_equal(table.index_arrays["index"] >= 0, space.valid(every))
