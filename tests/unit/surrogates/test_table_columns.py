"""Columns of a table as features: the values of its file, whatever the architecture's spelling."""

import numpy as np
import pytest
from typer.testing import CliRunner

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space
from nasbench_suite.cli.app import app
from nasbench_suite.surrogates.catalogue import make_predictor
from nasbench_suite.surrogates.encodings import ArchitectureEncoder
from nasbench_suite.surrogates.model_file import load_predictors, save_predictors
from nasbench_suite.surrogates.table_columns import read_columns, table_columns

SPACE = get_space("nats_topology")
TASK = "proxies/made-up"


def encoded(genes, encoding="columns", columns=TASK):
    return ArchitectureEncoder("nats_topology", encoding, columns_of=columns).fit_transform(genes)


@pytest.fixture(scope="module")
def drawn():
    return SPACE.sample(np.random.default_rng(0), 3000)


@pytest.fixture(scope="module")
def cells(drawn):
    """60 cells, the last two of which are isomorphic."""
    keys, first, count = np.unique(SPACE.key(drawn), return_index=True, return_counts=True)
    twins = next(
        different
        for key in keys[count > 1]
        if len(different := np.unique(drawn[SPACE.key(drawn) == key], axis=0)) > 1
    )
    others = drawn[first[~np.isin(keys, SPACE.key(twins))]][:58]
    return np.concatenate([others, twins[:2]])


@pytest.fixture(scope="module", autouse=True)
def table(cells, tmp_path_factory):
    """A table of them with an accuracy, a score that spans fifteen orders of magnitude, and another."""
    folder = tmp_path_factory.mktemp("columns")
    lines = [
        f"{text},{0.5 + place / 1000},{-(10.0 ** (place / 4))},{place % 7}"
        for place, text in enumerate(SPACE.format(cells))
    ]
    (folder / "cells.csv").write_text("\n".join(["arch,acc,flow,other", *lines]) + "\n")
    command = f"import table {folder / 'cells.csv'} --name {TASK} --space nats_topology --arch arch --quiet"
    options = (
        "--valid accuracy[fraction,max]=200:acc --info flow[score,max]=flow --info other[score,max]=other"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NASBENCH_SUITE_DATA", str(folder))
        read_columns.cache_clear()
        done = CliRunner().invoke(app, [*command.split(), *options.split()])
        assert done.exit_code == 0, done.output
        yield
        read_columns.cache_clear()


def test_columns_are_those_of_the_file_with_signed_logarithms(cells):
    place, alone = np.arange(58), cells[:58]
    found = encoded(alone)
    np.testing.assert_allclose(found[:, 0], -np.log(1 + 10.0 ** (place / 4)), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], np.log(1 + place % 7), rtol=1e-5)
    both = encoded(alone, "columns+one_hot", f"{TASK}:other")
    assert both.shape == (58, 1 + 30)
    assert (both[:, 0] == found[:, 1]).all()


def test_isomorphic_cells_have_the_mean_of_both(cells):
    first, second = encoded(cells[58:])
    assert (first == second).all()
    assert first[1] == pytest.approx((np.log(1 + 58 % 7) + np.log(1 + 59 % 7)) / 2, rel=1e-5)


def test_a_predictor_with_columns_survives_its_file(cells, tmp_path):
    predictor = make_predictor(SPACE.name, "nu_svr", encoding="one_hot+columns", columns_of=TASK)
    predictor.fit(cells, np.log(np.arange(60) + 1.0))
    save_predictors(tmp_path / "model.h5", {"valid": predictor}, {})
    again = load_predictors(tmp_path / "model.h5")[0]["valid"]
    np.testing.assert_allclose(again.predict(cells), predictor.predict(cells), rtol=1e-6)
    assert again["encoder"].columns_of == TASK


def test_what_has_no_columns_is_refused(cells, drawn):
    absent = drawn[~np.isin(SPACE.key(drawn), SPACE.key(cells))][:3]
    with pytest.raises(
        ArchitectureError, match=r"3 of 4 architectures are not in proxies/made-up, .* first is"
    ):
        encoded(np.concatenate([cells[:1], absent]))
    with pytest.raises(
        NasbenchSuiteError, match="no metric of proxies/made-up that needs no training called"
    ):
        encoded(cells, columns=f"{TASK}:accuracy")
    with pytest.raises(NasbenchSuiteError, match="proxies/made-up is of space nats_topology, not macro"):
        table_columns(TASK, "macro")
    for encoding, columns in (("columns", ""), ("one_hot", TASK)):
        with pytest.raises(NasbenchSuiteError, match="encoding columns needs the task whose table has them"):
            encoded(cells, encoding, columns)
    with pytest.raises(
        NasbenchSuiteError, match="reads the graphs of architectures; leave out encoding=one_hot and"
    ):
        make_predictor(SPACE.name, "gin", columns_of=TASK)
