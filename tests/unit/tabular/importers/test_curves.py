"""A user's own curves become the table that the suite makes of the same curves with a datasheet."""

from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, load_benchmark, search
from nasbench_suite.content import content_root
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular.catalogue import import_tables
from nasbench_suite.tabular.curve_file import read_curve_file, write_curve_file
from nasbench_suite.tabular.importers.curves import datasheet_of_curves


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


@pytest.mark.parametrize("name", ["macro-mnist1d", "joint-mnist1d"])
def test_the_table_is_that_of_the_datasheet(data, name):
    path = content_root() / "tabular" / name / "curves.h5"
    (task,) = import_tables("curves", [path], name="mine")
    mine, ours = load_benchmark(task), load_benchmark(f"{name.partition('-')[0]}/mnist1d")
    assert task == "mine/mnist1d"
    np.testing.assert_array_equal(mine.table.genes, ours.table.genes)
    assert set(mine.table.columns) == set(ours.table.columns)
    for column in ours.table.columns:
        np.testing.assert_array_equal(mine.table.columns[column], ours.table.columns[column])
    for metric, known in ours.metrics.items():
        assert mine.metrics[metric].role == known.role
    assert (mine.valid_metric, mine.test_metric) == (ours.valid_metric, ours.test_metric)
    genes = ours.table.genes[:50]
    np.testing.assert_array_equal(mine.query(genes, epochs=7).seconds, ours.query(genes, epochs=7).seconds)
    assert search("random_search", mine, seconds=30.0, runs=2, seed=0).length.min() > 1


def test_what_the_trainings_say_is_in_the_datasheet():
    path = content_root() / "tabular" / "macro-mnist1d" / "curves.h5"
    sheet = datasheet_of_curves(path)
    assert sheet.task("mnist1d") == "macro/mnist1d"
    assert "seed 0: 3,969 of 3,969 trainings" in sheet.summary
    assert "MNIST-1D" in sheet.splits
    assert '"recipe"' in sheet.training


@pytest.mark.parametrize(
    "plan", ["no plan", "{}", "[]", '{"task": 3}', '{"task": "../x/y"}', '{"task": "a"}']
)
def test_a_plan_without_a_task_is_one_sentence(data, tmp_path, plan):
    curves = read_curve_file(content_root() / "tabular" / "macro-mnist1d" / "curves.h5")
    broken = replace(curves, description=curves.description.model_copy(update={"plan": plan}))
    write_curve_file(broken, tmp_path / "curves.h5")
    with pytest.raises(NasbenchSuiteError, match=r"does not say what task|cannot name a benchmark"):
        import_tables("curves", [tmp_path / "curves.h5"])
    assert not list((tmp_path / "data").rglob("*.h5"))


def test_a_damaged_file_is_refused(data, tmp_path):
    path = tmp_path / "curves.h5"
    content = bytearray((content_root() / "tabular" / "macro-mnist1d" / "curves.h5").read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        import_tables("curves", [path])
