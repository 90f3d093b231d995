"""The importer of NAS-Bench-Graph's full files: made-up curves of the published cells."""

import os
import pickle

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular.catalogue import import_tables, open_table_task, table_path
from nasbench_suite.tabular.importers.nas_bench_graph import numbers_of_space
from nasbench_suite.tabular.table import check_index, read_table

# README of THUMNLab/NAS-Bench-Graph: what the seven numbers of an epoch are
CURVES = "train_{} valid_{} test_{} train_loss valid_loss test_loss best_test_{}".split()
SCALARS = {
    "valid_perf": "reported_valid_{}",
    "perf": "reported_test_{}",
    "latency": "latency_seconds",
    "para": "params_millions",
}
CELLS = [112, 21357, 81111]


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


def full(numbers, seed, epochs=5, form=list, scalars=True):
    """The dictionary of one file; no two values are the same."""
    rng = np.random.default_rng(seed)

    def record():
        curves = rng.random((epochs, 7))
        found = {"dur": curves if form is np.array else [form(map(float, row)) for row in curves]}
        if scalars:
            found |= {name: float(rng.random()) for name in SCALARS} | {"para": np.float64(rng.random())}
        return found

    return {number: record() for number in rng.permutation(numbers).tolist()}


def saved(tmp_path, dataset, seed, content, protocol=3):
    path = tmp_path / f"{dataset}{seed}.bench"
    path.write_bytes(pickle.dumps(content, protocol))
    return path


def imported(paths, partial=True, jobs=1):
    tasks = import_tables("nasbench-graph", paths, jobs=jobs, options={"partial": "yes"} if partial else {})
    return {task: read_table(table_path(task)) for task in tasks}


def refused(paths, match, partial=True):
    with pytest.raises(DamagedFileError, match=match):
        imported(paths, partial)
    assert not list((paths[0].parent / "data").rglob("*.*"))


def compare(table, contents, measure="accuracy"):
    """Compare every value; the rows are in ascending order of the cell numbers."""
    left = set(table.columns)
    for repeat, content in enumerate(contents):
        for row, number in enumerate(sorted(content)):
            for place, name in enumerate(CURVES):
                values = table.columns[name.format(measure)][row, repeat]
                assert values.tolist() == [epoch[place] for epoch in content[number]["dur"]]
                left.discard(name.format(measure))
            for key, name in SCALARS.items():
                if key in content[number]:
                    assert table.columns[name.format(measure)][row, repeat].tolist() == [content[number][key]]
                    left.discard(name.format(measure))
    assert not left


@pytest.mark.parametrize(("space", "dataset"), [("graph", "cora"), ("graph_proteins", "proteins")])
def test_the_cells_are_those_that_the_package_publishes(space, dataset, official_records):
    assert list(numbers_of_space(space)) == sorted(official_records(dataset))


@pytest.mark.parametrize("jobs", [1, 2])
def test_all_cells_of_three_seeds_bit_for_bit(tmp_path, official_records, jobs):
    numbers = sorted(official_records("proteins"))
    contents = [full(numbers, seed) for seed in range(3)]
    paths = [saved(tmp_path, "proteins", seed, content) for seed, content in enumerate(contents)]
    table = imported([paths[2], paths[0], paths[1]], partial=False, jobs=jobs)["graph/proteins"]
    check_index(table)
    assert table.description.repeats == ["seed 0", "seed 1", "seed 2"]
    assert table.description.rows == "class"
    assert table.epochs.tolist() == [1, 2, 3, 4, 5]
    compare(table, contents, "roc_auc")
    light = open_table_task("graph/proteins")
    assert light.table.description.source == "proteins0.bench and 2 more", (
        "the full table replaces the light one"
    )
    assert list(light.fidelities) == [1, 2, 3, 4, 5]
    found = light.query(table.genes, epochs=2, repeat=1)
    rows = [contents[1][number]["dur"][1][1] for number in numbers]
    assert found.valid.tolist() == rows


def test_rows_are_those_of_the_light_table(tmp_path, proteins, official_records):
    path = saved(tmp_path, "proteins", 1, full(sorted(official_records("proteins")), 1))
    table = imported([path], partial=False)["graph/proteins"]
    assert np.array_equal(table.genes, proteins.table.genes)
    assert table.description.repeats == ["seed 1"]


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("form", [list, tuple, np.array])
def test_several_data_sets_and_forms_of_epochs(tmp_path, form, protocol):
    contents = {
        name: full(CELLS, seed, epochs, form)
        for seed, (name, epochs) in enumerate({"cora": 4, "arxiv": 7}.items())
    }
    tables = imported([saved(tmp_path, name, 0, found, protocol) for name, found in contents.items()])
    assert list(tables) == ["graph/arxiv", "graph/cora"]
    for name, content in contents.items():
        compare(tables[f"graph/{name}"], [content])


def test_without_the_numbers_of_the_light_files(tmp_path):
    content = full(CELLS, 0, scalars=False)
    table = imported([saved(tmp_path, "cs", 0, content)])["graph/cs"]
    compare(table, [content])
    assert set(table.columns) == {name.format("accuracy") for name in CURVES}


def test_what_is_missing(tmp_path):
    first, second = full(CELLS, 0), full(CELLS[:2], 1)
    del first[112]["latency"]
    first[21357]["dur"] = first[21357]["dur"][:3]
    paths = [saved(tmp_path, "cora", seed, found) for seed, found in enumerate((first, second))]
    refused(paths, "cora0.bench lacks 26,203 of 26,206 cells", partial=False)
    benchmark = open_table_task(next(iter(imported(paths))))
    columns = benchmark.table.columns
    assert np.isnan(columns["valid_accuracy"]).sum(axis=2).tolist() == [[0, 0], [2, 0], [0, 5]]
    assert np.isnan(columns["latency_seconds"][:, :, 0]).tolist() == [
        [True, False],
        [False, False],
        [False, True],
    ]
    with pytest.warns(MissingResultWarning):
        assert np.isnan(benchmark.query(benchmark.table.genes, repeat=0).valid).tolist() == [
            False,
            True,
            False,
        ]


def epochs_of(change):
    content = full(CELLS, 0)
    content[21357]["dur"] = change
    return content


BAD = {
    "no list": (epochs_of(0.5), "cell 21357 has no 'dur' with seven numbers"),
    "no epochs": (epochs_of([]), "cell 21357 has no 'dur'"),
    "six": (epochs_of([[0.5] * 6] * 5), "cell 21357 has no 'dur'"),
    "ragged": (epochs_of([[0.5] * 7] * 4 + [[0.5]]), "cell 21357 has no 'dur'"),
    "text": (epochs_of([["0.5"] * 7] * 5), "cell 21357 has no 'dur'"),
    "none": (epochs_of([[None] * 7] * 5), "cell 21357 has no 'dur'"),
    "infinite": (epochs_of([[float("inf")] * 7] * 5), "cell 21357 has no 'dur'"),
    "huge": (epochs_of([[10**400] * 7] * 5), "cell 21357 has no 'dur'"),
    "light": ({112: {"valid_perf": 0.5, "perf": 0.5}}, "cell 112 has no 'dur'"),
    "no record": ({112: 0.5}, "cell 112 has no 'dur'"),
    "number": ({**full(CELLS, 0), 181111: full([1], 0)[1]}, "181111 is the number of no canonical cell"),
    "not canonical": ({**full(CELLS, 0), 211: full([1], 0)[1]}, "211 is the number of no canonical cell"),
    "text number": ({"112": full([1], 0)[1]}, "'112' is the number of no canonical cell"),
    "scalar": ({112: {**full([1], 0)[1], "perf": "0.5"}}, "cell 112: 'perf' is '0.5', no number"),
    "empty": ({}, "has no cells"),
    "a list": ([full(CELLS, 0)], "it is no dictionary"),
    "hostile": ({112: os.system}, "asks for posix.system"),
}


@pytest.mark.parametrize(("content", "match"), BAD.values(), ids=BAD)
def test_files_of_another_structure_are_refused(tmp_path, content, match):
    refused([saved(tmp_path, "cora", 0, content)], match)


def test_longer_trainings_than_the_first_and_cells_that_come_twice_are_refused(tmp_path):
    content = full(CELLS, 0)
    content[list(content)[1]]["dur"] *= 2
    refused([saved(tmp_path, "cora", 0, content)], "has 10 epochs, more than the first, 5")
    whole = pickle.dumps({112: full([1], 0)[1], 21357: full([1], 0)[1]}, 2)
    twice = whole.replace(pickle.dumps(21357, 2)[2:-1], pickle.dumps(112, 2)[2:-1])
    path = tmp_path / "cora0.bench"
    path.write_bytes(twice)
    refused([path], "cell 112 is there twice")


def test_truncated_files_are_refused(tmp_path):
    path = saved(tmp_path, "cora", 0, full(CELLS, 0))
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        refused([path], "cora0.bench is truncated")


def test_names_say_data_set_and_seed(tmp_path):
    path = saved(tmp_path, "cora", 0, full(CELLS, 0))
    for name in ("cora.bench", "cora10.bench", "core0.bench", "cora0.pickle"):
        other = path.rename(tmp_path / name)
        with pytest.raises(NasbenchSuiteError, match=f"{name} does not say its data set and seed"):
            imported([other])
        path = other
    path = path.rename(tmp_path / "cora0.bench")
    with pytest.raises(NasbenchSuiteError, match=r"two files are called cora0\.bench"):
        imported([path, path])
