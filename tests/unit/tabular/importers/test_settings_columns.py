"""Tables with hyperparameter columns: the space that the file describes, and searches in it."""

import itertools

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space, search
from nasbench_suite.cards import CardError, read_card
from nasbench_suite.cli.table_options import table_mapping
from nasbench_suite.errors import ArchitectureError, DamagedFileError
from nasbench_suite.spaces import GridSpace, JointSpace
from nasbench_suite.tabular.benchmark import TabularBenchmark
from nasbench_suite.tabular.importers.delimited import convert
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.mapping import TableMapping
from nasbench_suite.tabular.table import read_table

RATES, BATCHES, ACTS = ("0.1", "0.01", "1e-3"), ("32", "128"), ("relu", "gelu")
NETWORKS = get_space("macro")


def worth(rate, batch, act, cell="0"):
    return (
        0.5
        + 0.1 * (float(rate) == 0.01)
        + 0.05 * (batch == "128")
        + 0.02 * (act == "gelu")
        + int(cell[0]) / 50
    )


@pytest.fixture
def imported(tmp_path):
    def run(lines, **options):
        (tmp_path / "made.csv").write_text("\n".join(lines) + "\n")
        asked = {"space": "", "arch": "", "settings": ["lr", "batch", "act"], **options}
        mapping = table_mapping(
            "mine/one", asked["space"], asked["arch"], {"valid": ["accuracy=acc"]}, settings=asked["settings"]
        )
        job = ImportJob(
            (tmp_path / "made.csv",),
            mapping.datasheet(),
            "mine",
            tmp_path,
            options={"mapping": mapping.model_dump_json()},
        )
        convert(job)
        return TabularBenchmark(read_table(tmp_path / "one.h5"))

    return run


def grid_lines():
    return [
        "lr,batch,act,acc",
        *(f"{r},{b},{a},{worth(r, b, a)}" for r, b, a in itertools.product(RATES, BATCHES, ACTS)),
    ]


def test_a_table_of_settings_is_a_grid(imported):
    task = imported(grid_lines())
    assert isinstance(task.space, GridSpace)
    assert task.space.name == "grid(lr=0.001|0.01|0.1,batch=32|128,act=gelu|relu)"
    for rate, batch, act in itertools.product(RATES, BATCHES, ACTS):
        row = task.space.parse(f"lr={rate} batch={batch} act={act}")
        assert task.query(row[None]).valid[0] == worth(rate, batch, act)
    assert len(task.table) == task.space.size == 12


def test_architectures_with_settings_are_searched_together(imported):
    cells = NETWORKS.format(NETWORKS.canonical(NETWORKS.decode(np.arange(NETWORKS.n_codes))))
    cells = sorted(set(cells))
    lines = ["net,lr,act,acc"]
    lines += [
        f"{cell},{rate},{act},{worth(rate, '32', act, cell)}"
        for cell, rate, act in itertools.product(cells, RATES, ACTS)
    ]
    task = imported(lines, space="macro", arch="net", settings=["lr", "act"])
    assert isinstance(task.space, JointSpace)
    assert len(task.table) == task.space.distinct == 6 * NETWORKS.distinct
    row = task.space.parse(f"lr=0.01 act=gelu {cells[-1]}")
    assert task.query(row[None]).valid[0] == pytest.approx(worth("0.01", "32", "gelu", cells[-1]))


@pytest.mark.parametrize("strategy", ["regularized_evolution", "tpe", "bayesian", "grid_search"])
def test_strategies_find_the_best_setting(imported, strategy):
    task = imported(grid_lines())
    found = search(strategy, task, evaluations=60, runs=3, seed=0)
    best = found.genes[np.arange(3), found.valid.argmax(axis=1)]
    assert task.space.format(best) == ["lr=0.01 batch=128 act=gelu"] * 3


def test_numbers_are_the_same_however_they_are_written(imported):
    task = imported(["lr,acc", "0.10,0.5", "1e-2,0.6"], settings=["lr"])
    assert task.space.name == "grid(lr=0.01|0.1)"
    with pytest.raises(DamagedFileError, match=r"line 3: architecture 'lr=0.1' is there already in line 2"):
        imported(["lr,acc", "0.10,0.5", "1e-1,0.6"], settings=["lr"])


def test_wrong_columns_and_options_are_one_sentence(imported, tmp_path):
    with pytest.raises(
        NasbenchSuiteError, match=r"'act' of space .* needs a name and different values of one word"
    ):
        imported(["lr,act,acc", "0.1,soft plus,0.5", "0.2,relu,0.5"], settings=["lr", "act"])
    with pytest.raises(ArchitectureError, match=r"line 2, column .lr. and .net.: 'lr=0.1 09': .* is '9'"):
        imported(["net,lr,acc", "09,0.1,0.5"], space="macro", arch="net", settings=["lr"])
    with pytest.raises(NasbenchSuiteError, match="--arch or --index is missing"):
        imported(grid_lines(), space="macro")
    with pytest.raises(NasbenchSuiteError, match="--space is missing"):
        imported(grid_lines(), settings=[])
    path = tmp_path / "mapping.toml"
    path.write_text(
        '[benchmark]\nname = "mine"\n[tasks.one]\nspace = "macro"\n[tasks.one.columns]\nacc = "a"\n'
    )
    with pytest.raises(CardError, match="space and arch go together"):
        read_card(path, TableMapping)
