"""What importers share: provenance by checksum, and refusal of what cannot be a table."""

import os
from dataclasses import asdict
from hashlib import sha256
from importlib import metadata

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import DamagedFileError, UnknownNameError
from nasbench_suite.spaces.graph import OPERATIONS
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.importers.assembly import Source, assemble, check_finite, describe
from nasbench_suite.tabular.table import Column, check_index, read_table, save_table

SOURCE = Source("made.bench", "7", "ab" * 32)


@pytest.fixture(scope="module")
def sheet():
    return datasheets()["graph"]


@pytest.fixture
def genes():
    space = get_space("graph")
    return np.unique(space.canonical(space.sample(np.random.default_rng(0), 40)), axis=0)


def columns_for(genes):
    rng = np.random.default_rng(1)
    n = len(genes)
    return {
        "valid_accuracy": Column(rng.random((n, 3, 2))),
        "test_accuracy": Column(rng.random((n, 3, 1)), "last epoch"),
        "params_millions": Column(rng.random((n, 1, 1)), "once"),
    }


def assembled(sheet, genes, columns, task="graph/cora", **changes):
    given = {"rows": "class", "repeats": ["a", "b", "c"], "epochs": [4, 12]} | changes
    return assemble(sheet, task, SOURCE, genes, columns, **given)


def test_a_table_has_what_was_read_and_what_the_datasheet_says(sheet, genes, tmp_path):
    columns = columns_for(genes)
    table = assembled(sheet, genes, columns)
    save_table(table, tmp_path / "cora.h5")
    for kept in (table, read_table(tmp_path / "cora.h5")):
        assert np.array_equal(kept.genes, genes)
        assert kept.epochs.tolist() == [4, 12]
        for name, column in columns.items():
            assert np.array_equal(kept.columns[name], column.values)
            stated = {
                **sheet.metrics[name].model_dump(exclude={"cost"}),
                "name": name,
                "recorded": column.recorded,
            }
            assert asdict(kept.metrics[name]) == stated
        described = kept.description
        assert (described.source, described.source_version, described.source_sha256) == tuple(
            asdict(SOURCE).values()
        )
        assert (described.task, described.space, described.licence) == ("graph/cora", "graph", sheet.licence)
        assert (described.valid, described.test) == ("valid_accuracy", "test_accuracy")
        assert described.created_with == f"nasbench-suite {metadata.version('nasbench-suite')}"
        check_index(kept)


def test_numbers_of_other_types_become_those_of_a_table(sheet, genes):
    column = Column(np.ones((len(genes), 3, 2), dtype=np.float32))
    table = assembled(sheet, genes.astype(np.int64), {**columns_for(genes), "valid_accuracy": column})
    assert (table.genes.dtype, table.columns["valid_accuracy"].dtype) == (np.uint8, np.float64)
    assert np.array_equal(table.genes, genes)


@pytest.mark.parametrize("wrong", [256, -1])
def test_genes_beyond_eight_bits_are_refused(sheet, genes, wrong):
    wide = genes.astype(np.int64)
    wide[3, 1] = wide[3, 1] + 256 if wrong == 256 else wide[3, 1] - 256
    with pytest.raises(NasbenchSuiteError):
        assembled(sheet, wide, columns_for(genes))


def test_genes_out_of_range_are_refused(sheet, genes):
    genes[3, 1] = 200
    with pytest.raises(NasbenchSuiteError, match="gene 1"):
        assembled(sheet, genes, columns_for(genes))


@pytest.mark.parametrize("rows", ["class", "string"])
def test_rows_that_are_no_architecture_are_refused(sheet, genes, rows):
    genes[3, 1:] = OPERATIONS["graph"].index("skip")
    assert not get_space("graph").valid(genes[3:4]).any()
    with pytest.raises(NasbenchSuiteError):
        assembled(sheet, genes, columns_for(genes), rows=rows)


def test_an_architecture_that_is_there_twice_is_named_with_its_file(sheet, genes):
    genes[5] = genes[9]
    with pytest.raises(
        DamagedFileError, match=r"^made\.bench: architecture .* has more than one row"
    ) as caught:
        assembled(sheet, genes, columns_for(genes))
    assert get_space("graph").format(genes[5:6])[0] in str(caught.value)


@pytest.mark.parametrize("wrong", [np.inf, -np.inf])
def test_an_infinite_value_is_refused_with_its_architecture(sheet, genes, wrong):
    columns = columns_for(genes)
    columns["test_accuracy"].values[11, 2, 0] = wrong
    columns["test_accuracy"].values[13, 1, 0] = wrong
    with pytest.raises(DamagedFileError) as caught:
        assembled(sheet, genes, columns)
    text = get_space("graph").format(genes[11:12])[0]
    assert str(caught.value) == (
        f"made.bench: test_accuracy of architecture {text} is infinite; use the official file."
    )


def test_missing_values_are_kept(sheet, genes):
    columns = columns_for(genes)
    columns["valid_accuracy"].values[11] = np.nan
    check_finite(columns["valid_accuracy"].values, genes, "graph", "valid_accuracy", SOURCE)
    assert np.isnan(assembled(sheet, genes, columns).columns["valid_accuracy"][11]).all()


def test_a_metric_or_data_set_that_the_datasheet_lacks_is_refused(sheet, genes):
    columns = columns_for(genes)
    with pytest.raises(UnknownNameError, match="did you mean valid_accuracy"):
        assembled(sheet, genes, {**columns, "valid_acuracy": columns["valid_accuracy"]})
    with pytest.raises(UnknownNameError, match="data set of graph 'coar'; did you mean cora"):
        describe(sheet, "graph/coar", SOURCE, rows="class", repeats=["a"])


def test_the_datasheets_reason_is_the_tables(sheet):
    reason = "nobody measured them"
    entry = sheet.tasks["cora"].model_copy(update={"partial_epochs": reason, "test": ""})
    changed = sheet.model_copy(update={"tasks": {"cora": entry}})
    described = describe(changed, "mine/cora", SOURCE, rows="string", repeats=("a", "b"))
    assert (described.partial_epochs, described.test, described.task) == (reason, "", "mine/cora")
    assert (described.rows, described.repeats) == ("string", ["a", "b"])


@pytest.mark.parametrize(
    "shape", [(39, 3, 2), (41, 3, 2), (0, 3, 2), (40, 2, 2), (40, 3, 1), (40, 3, 3)], ids=str
)
def test_columns_of_another_shape_are_a_mistake_of_the_importer(sheet, genes, shape):
    assert len(genes) == 40
    columns = columns_for(genes) | {"valid_accuracy": Column(np.zeros(shape))}
    with pytest.raises(ValueError, match="column valid_accuracy has shape"):
        assembled(sheet, genes, columns)


def test_a_task_whose_steering_metric_was_not_read_is_a_mistake_of_the_importer(sheet, genes):
    columns = columns_for(genes)
    del columns["valid_accuracy"]
    with pytest.raises(ValueError, match="no metric valid_accuracy"):
        assembled(sheet, genes, columns)


# -- provenance --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 1 << 22, (1 << 22) + 1])
def test_a_source_is_the_checksum_of_its_bytes(tmp_path, size):
    content = np.random.default_rng(size).bytes(size)
    (tmp_path / "one.bin").write_bytes(content)
    expected = sha256(content).hexdigest()
    assert Source.of([tmp_path / "one.bin"], "2") == Source("one.bin", "2", expected)
    assert Source.of_bytes(content, "one.bin", "2") == Source("one.bin", "2", expected)


def test_a_source_of_several_files_is_the_checksum_of_their_checksums_in_order(tmp_path):
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path in paths:
        path.write_text(path.name)
    sums = "".join(sha256(path.name.encode()).hexdigest() for path in paths)
    assert Source.of(paths) == Source("a and 2 more", "", sha256(sums.encode()).hexdigest())
    assert Source.of(paths[::-1]).sha256 != Source.of(paths).sha256


def test_a_source_that_cannot_be_read_is_a_sentence(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"absent cannot be read: No such file or directory\."):
        Source.of([tmp_path / "absent"])
    with pytest.raises(NasbenchSuiteError, match=r"cannot be read: Is a directory\."):
        Source.of([tmp_path])


def test_a_source_never_tells_where_it_lay(tmp_path):
    (tmp_path / "one.bin").write_text("x")
    assert os.sep not in Source.of([tmp_path / "one.bin"]).name
