"""CSV and Parquet into tables: against the files read by pandas, official records, and NumPy."""

import bz2
import collections
import gzip
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nasbench_suite.cards import CardError, read_card
from nasbench_suite.content import content_root
from nasbench_suite.errors import (
    ArchitectureError,
    DamagedFileError,
    NasbenchSuiteError,
    NasbenchSuiteWarning,
    UnknownNameError,
)
from nasbench_suite.spaces import get_space
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.importers.delimited import convert
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.importers.mapping import TableMapping
from nasbench_suite.tabular.table import check_index, read_table

HEAD = """
[benchmark]
name = "mine"
licence = "CC0"
version = "3"
[metrics.valid_accuracy]
unit = "fraction"
direction = "max"
role = "valid"
description = "made up"
[metrics.test_accuracy]
unit = "fraction"
direction = "max"
role = "test"
description = "made up"
[metrics.params_millions]
unit = "M"
direction = "min"
role = "info"
description = "made up"
[metrics.train_seconds]
unit = "s"
direction = "min"
role = "cost"
description = "made up"
"""
TASK = HEAD + '[tasks.one]\nspace = "nats_topology"\narch = "arch"\n'
VALID = TASK + '[tasks.one.columns]\nvalid_accuracy = "val"\n'
NATS_DATASETS = {"cifar10-valid": "c10", "cifar10": "c10", "cifar100": "c100", "ImageNet16-120": "in16"}


@pytest.fixture
def imported(tmp_path):
    """Import `text` (or a file) as a mapping says and return the benchmarks by data set."""

    def run(mapping, file):
        if not isinstance(file, Path):
            content, file = file, tmp_path / "made.csv"
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        if not isinstance(mapping, Path):
            text, mapping = mapping, tmp_path / "mapping.toml"
            mapping.write_text(text)
        meaning = read_card(mapping, TableMapping)
        staging = tmp_path / "staging"
        staging.mkdir(exist_ok=True)
        options = {"mapping": meaning.model_dump_json()}
        convert(ImportJob((file,), meaning.datasheet(), meaning.benchmark.name, staging, options=options))
        return {path.stem: TabularBenchmark(read_table(path)) for path in staging.glob("*.h5")}

    return run


@pytest.fixture(scope="module")
def nats_csv(shared_data):
    return shared_data / "nats_topology" / "accuracy.csv.gz"


@pytest.fixture(scope="module")
def nats(nats_csv, tmp_path_factory):
    """All tasks of the shipped mapping, and the same file read by pandas."""
    meaning = read_card(content_root() / "tabular" / "nats_topology" / "from-csv.toml", TableMapping)
    staging = tmp_path_factory.mktemp("nats")
    options = {"mapping": meaning.model_dump_json()}
    convert(ImportJob((nats_csv,), meaning.datasheet(), "nats_topology", staging, options=options))
    tasks = {path.stem: TabularBenchmark(read_table(path)) for path in staging.glob("*.h5")}
    return tasks, pd.read_csv(nats_csv)


class _Numbers(pickle.Unpickler):
    def find_class(self, module, name):
        allowed = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("numpy.core.multiarray", "scalar"): np._core.multiarray.scalar,
            ("numpy", "dtype"): np.dtype,
        }
        return allowed[module, name]


@pytest.mark.parametrize("cell", [0, 11, 284])
def test_mapping_of_the_topology_space_gives_the_official_records(nats, shared_data, tmp_path, cell):
    tasks, _ = nats
    folder = shared_data / "nats_official_sample" / "NATS-tss-v1_0-3ffb9-simple"
    with bz2.open(folder / f"{cell:06d}.pickle.pbz2") as file:
        official = _Numbers(file).load()
    genes = get_space("nats_topology").parse(official["200"]["arch_str"])[None]
    for name, task in tasks.items():
        dataset, _, schedule = name.partition("@")
        records = official[schedule or "200"]["all_results"]
        seeds = [record for (data, _), record in records.items() if data == dataset]
        last = int(schedule or 200) - 1
        test_split = "ori-test" if dataset.startswith("cifar10") and dataset != "cifar100" else "x-test"

        def mean(field, key, seeds=seeds):
            return np.mean([record[field][key] for record in seeds])

        train = np.mean([sum(record["train_times"].values()) for record in seeds])
        if name != "cifar10-valid@12":
            assert task.reveal(genes).test[0] == pytest.approx(
                mean("eval_acc1es", f"{test_split}@{last}") / 100, abs=1e-7
            )
        if dataset == "cifar10":
            assert (task.valid_metric, task.cost_metric) == ("", None)
            found = task.query(genes, info=["params_millions", "train_seconds"])
        else:
            found = task.query(genes, info=["params_millions", "flops_millions", "train_seconds"])
            assert found.valid[0] == pytest.approx(mean("eval_acc1es", f"x-valid@{last}") / 100, abs=1e-7)
            one_pass = mean("eval_times", f"x-valid@{last}")
            assert found.seconds[0] == pytest.approx(train + one_pass, rel=1e-6)
            assert found.info["flops_millions"][0] == pytest.approx(seeds[0]["flop"], rel=1e-6)
        assert found.info["params_millions"][0] == pytest.approx(seeds[0]["params"], rel=1e-6)
        assert found.info["train_seconds"][0] == pytest.approx(train, rel=1e-6)
        if name == "cifar10-valid":
            loss = task.query(genes, info=["valid_loss", "train_loss"]).info
            assert loss["valid_loss"][0] == pytest.approx(mean("eval_losses", "x-valid@199"), rel=1e-6)
            assert loss["train_loss"][0] == pytest.approx(mean("train_losses", 199), rel=1e-6)
            for repeat, seed in enumerate((777, 888, 999)):
                (record,) = [r for r in seeds if int(r["seed"]) == seed]
                single = task.query(genes, repeat=repeat).valid[0]
                assert single == pytest.approx(record["eval_acc1es"]["x-valid@199"] / 100, abs=1e-7)


def test_every_row_of_the_topology_space_is_found_by_its_string(nats):
    tasks, frame = nats
    space = get_space("nats_topology")
    genes = np.stack([space.parse(text) for text in frame.arch_str])  # the mapping reads the index column
    assert set(tasks) == {n + s for n in NATS_DATASETS for s in ("", "@12")}
    for name, task in tasks.items():
        dataset, _, schedule = name.partition("@")
        column, epochs = NATS_DATASETS[dataset], schedule or "200"
        if dataset != "cifar10":
            valid = task.query(genes).valid
            np.testing.assert_allclose(valid, frame[f"{column}_val{epochs}"] / 100, atol=6e-8)
        if dataset != "cifar10-valid":
            np.testing.assert_allclose(
                task.reveal(genes).test, frame[f"{column}_test{epochs}"] / 100, rtol=1e-12
            )
        check_index(task.table)
        assert task.table.epochs.tolist() == [int(epochs)]


def test_missing_seeds_are_missing(nats):
    tasks, frame = nats
    column = tasks["cifar10-valid"].table.columns["valid_accuracy"]
    assert np.isnan(column).sum(axis=(1, 2)).tolist() == (3 - frame.n_seeds).tolist()


def test_mapping_of_the_size_space(shared_data, imported):
    file = shared_data / "nats_size" / "valid90.csv.gz"
    tasks = imported(content_root() / "tabular" / "nats_size" / "from-csv.toml", file)
    frame = pd.read_csv(file)
    space = get_space("nats_size")
    genes = np.stack([space.parse(str(index)) for index in frame["index"]])  # the mapping reads the strings
    for name, column in (("cifar10-valid", "c10"), ("cifar100", "c100"), ("ImageNet16-120", "in16")):
        np.testing.assert_allclose(tasks[name].query(genes).valid, frame[f"{column}_val90"] / 100, rtol=1e-12)


def test_epochs_and_trainings_are_where_they_belong(imported):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.random((40, 6)), columns=list("abcdef"))
    frame["arch"] = rng.permutation(15625)[:40]
    columns = """
        valid_accuracy = { 200 = ["c", "d"], 12 = ["a", "b"] }
        test_accuracy = { 200 = "e" }
        params_millions = "f"
        train_seconds = { 12 = "a", 200 = "b" }
        """
    one = imported(TASK + "[tasks.one.columns]" + columns, frame.to_csv())["one"]
    space = get_space("nats_topology")
    genes = space.decode(space.code_of_index[frame["arch"].to_numpy()])
    for epochs, trainings in ((12, "ab"), (200, "cd")):
        for repeat, column in enumerate(trainings):
            answer = one.query(genes, epochs=epochs, repeat=repeat, info=["params_millions"])
            assert answer.valid.tolist() == frame[column].tolist()
            assert answer.info["params_millions"].tolist() == frame["f"].tolist()
            assert answer.seconds.tolist() == frame["a" if epochs == 12 else "b"].tolist()
    assert one.reveal(genes).test.tolist() == frame["e"].tolist()
    assert one.table.description.repeats == ["training 1", "training 2"]
    recorded = {name: metric.recorded for name, metric in one.metrics.items()}
    assert recorded["params_millions"] == "once"
    assert recorded["test_accuracy"] == "last epoch"
    with pytest.raises(NasbenchSuiteError, match="no results after 13"):
        one.query(genes, epochs=13)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("val", lambda v, o: v),
        ("val / 100", lambda v, o: v / 100),
        ("val*2 - `other (s)`", lambda v, o: v * 2 - o),
        ("other (s)", lambda v, o: o),
        ("sqrt(val) + log(`other (s)`)", lambda v, o: np.sqrt(v) + np.log(o)),
        ("3", lambda v, o: np.full_like(v, 3)),
    ],
)
def test_formulas_are_arithmetic(imported, formula, value):
    v, o = np.array([1.5, 2.25]), np.array([4.0, 0.3])
    text = "arch,val,other (s)\n0,1.5,4\n1,2.25,0.3\n"
    mapping = VALID.replace('"val"', f"'{formula}'").replace('"fraction"', '"points"')
    one = imported(mapping, text)["one"]
    assert one.table.columns["valid_accuracy"][:, 0, 0].tolist() == value(v, o).tolist()


@pytest.mark.parametrize(("value", "shown"), [("91.5", "91.5"), ("1.0001", "1.0001"), ("-0.01", "-0.01")])
def test_what_is_no_fraction_is_refused_by_its_line(imported, value, shown):
    says = rf"line 4: valid_accuracy is {shown}, where a fraction is between 0 and 1; divide .*\(--percent\)"
    with pytest.raises(DamagedFileError, match=says):
        imported(VALID, f"arch,val\n0,0\n1,1\n2,{value}\n")
    one = imported(VALID, "arch,val\n0,0\n1,1\n2,\n")["one"]
    assert one.table.columns["valid_accuracy"][:2, 0, 0].tolist() == [0.0, 1.0]


def test_fractions_that_were_divided_by_100_are_warned_of(imported):
    mapping = VALID.replace('"val"', '"val / 100"')
    with pytest.warns(NasbenchSuiteWarning, match="valid_accuracy is 0.0092 at most; if the file has frac"):
        imported(mapping, "arch,val\n0,0.915\n1,0.92\n")
    imported(mapping, "arch,val\n0,0.915\n1,1.92\n")  # of a thousand classes, perhaps
    imported(mapping, "arch,val\n0,0\n1,\n")


@pytest.mark.parametrize(
    "text",
    [
        "arch;val\n0;0.5\n7;\n",
        "arch\tval\n0\t0.5\n7\tNaN\n",
        "\ufeffarch,val\r\n0,0.5\r\n\r\n7,null\r\n",
        'x,"arch","val"\n"a\nb", 0 ,"0.5"\n,7,n/a',
        gzip.compress(b"arch,val\n0,0.5\n7,\n"),
    ],
    ids=["semicolon", "tab", "Windows", "quoted", "gzip"],
)
def test_dialects_of_csv(imported, text, tmp_path):
    file = tmp_path / ("made.csv.gz" if isinstance(text, bytes) else "made.csv")
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    one = imported(VALID, file)["one"]
    np.testing.assert_array_equal(one.table.columns["valid_accuracy"][:, 0, 0], [0.5, np.nan])
    space = get_space("nats_topology")
    assert space.index(one.table.genes).tolist() == [0, 7]


def test_provenance_is_that_of_the_mapping(imported):
    description = imported(VALID, "arch,val\n0,0.5\n")["one"].table.description
    assert (description.licence, description.source, description.source_version) == ("CC0", "made.csv", "3")
    assert (description.task, description.valid, description.test) == ("mine/one", "valid_accuracy", "")


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("arch,val\n0,0.5\nbanana,0.5\n", ArchitectureError, "line 3, column 'arch': 'banana'"),
        ("arch,val\n0,0.5\n15625,0.5\n", ArchitectureError, "line 3.*out of range"),
        ("arch,val\n0,0.5\n,0.5\n", ArchitectureError, "line 3"),
        ("arch,val\n\n0,0.5\n\n0,0.6\n", DamagedFileError, "line 5.*there already in line 3"),
        (
            'arch,val,x\n0,0.5,"a\nb"\n1,good,\n',
            DamagedFileError,
            "line 4, column 'val': 'good' is no number",
        ),
        ("arch,val\n0,1_0\n", DamagedFileError, "line 2.*'1_0' is no number"),
        ("arch,val\n0,inf\n", DamagedFileError, "line 2.*infinite"),
        ("arch,val\n0,1e999\n", DamagedFileError, "line 2.*infinite"),
        ("arch,value\n0,1\n", UnknownNameError, "did you mean value"),
        ("arch,val,val\n0,1,2\n", DamagedFileError, "2 columns called 'val'"),
        ("arch,val\n0,1,2\n", DamagedFileError, "line 2: 3 cell"),
        ("arch,val\n0\n", DamagedFileError, "line 2: 1 cell"),
        ('arch,val\n0,"1\n', DamagedFileError, "line 2: unexpected end"),
        ("arch,val\n", DamagedFileError, "no rows"),
        ("", DamagedFileError, "is empty"),
        (b"arch,val\n\xff,1\n", DamagedFileError, "no text in UTF-8"),
        ("arch,val\n0," + "9" * 200_000 + "\n", DamagedFileError, "line 2"),
    ],
)
def test_wrong_files_are_one_sentence_that_names_the_place(imported, tmp_path, text, error, says):
    with pytest.raises(error, match=says) as caught:
        imported(VALID, text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert not list((tmp_path / "staging").iterdir())


def test_no_corruption_of_a_compressed_file_raises_anything_else(imported, tmp_path):
    rng = np.random.default_rng(0)
    whole = gzip.compress(b"arch,val\n" + b"".join(b"%d,0.5\n" % i for i in range(50)))
    file = tmp_path / "made.csv.gz"
    for attempt in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        file.write_bytes(damaged[: rng.integers(len(whole)) if attempt % 3 == 0 else len(whole)])
        try:
            imported(VALID, file)
        except NasbenchSuiteError:
            continue
        assert gzip.decompress(bytes(damaged)) == gzip.decompress(whole)  # in a part that carries no content


@pytest.mark.parametrize(
    ("mapping", "error", "says"),
    [
        (VALID.replace('"val"', '"val +"'), NasbenchSuiteError, "is no formula"),
        (VALID.replace('"val"', "\"__import__('os')\""), NasbenchSuiteError, "is not allowed"),
        (VALID.replace('"val"', '"val / 0"'), DamagedFileError, "line 2: 'val / 0' is infinite"),
        (
            VALID.replace("valid_accuracy = ", "valid_acuracy = "),
            UnknownNameError,
            "did you mean valid_accuracy",
        ),
        (VALID.replace("nats_topology", "nats_topolgy"), UnknownNameError, "did you mean nats_topology"),
        (VALID.replace('arch = "arch"', 'arc = "arch"'), CardError, "did you mean arch"),
        (VALID.replace("tasks.one", "tasks.'../one'"), NasbenchSuiteError, "cannot name a benchmark"),
        (VALID.replace('"mine"', '"../mine"'), NasbenchSuiteError, "cannot name a benchmark"),
        (
            VALID + 'test_accuracy = ["val", "val"]\ntrain_seconds = ["val", "val", "val"]',
            NasbenchSuiteError,
            "2 and",
        ),
        (
            VALID.replace('"val"', '{ 1 = "val", 2 = ["val", "val"] }'),
            NasbenchSuiteError,
            "one column after some epochs",
        ),
        (
            VALID.replace('"val"', '{ 1 = "val", 2 = "val" }') + 'test_accuracy = { 1 = "val" }',
            NasbenchSuiteError,
            "epochs 1 ",
        ),
        (VALID.replace('"val"', '{ one = "val" }'), CardError, "valid_accuracy"),
        (
            VALID.replace('arch = "arch"', 'arch = "arch"\nrepeats = ["a", "b"]'),
            NasbenchSuiteError,
            "names 2 repeat",
        ),
        (HEAD, CardError, "'tasks' is missing"),
    ],
)
def test_wrong_mappings_are_one_sentence(imported, mapping, error, says):
    with pytest.raises(error, match=says) as caught:
        imported(mapping, "arch,val\n0,0.5\n")
    assert "\n" not in str(caught.value)


def test_two_metrics_of_one_role_need_a_choice(imported):
    both = (
        VALID.replace("test_accuracy", "top5").replace('role = "test"', 'role = "valid"') + 'top5 = "val"\n'
    )
    with pytest.raises(CardError, match="several metrics of role valid"):
        imported(both, "arch,val\n0,0.5\n")
    chosen = both.replace('arch = "arch"', 'arch = "arch"\nvalid = "top5"')
    assert imported(chosen, "arch,val\n0,0.5\n")["one"].valid_metric == "top5"


def test_an_unreadable_file_is_one_sentence(imported, tmp_path):
    with pytest.raises(NasbenchSuiteError, match="cannot be read"):
        imported(VALID, tmp_path)


def test_parquet_gives_the_table_of_the_csv(imported, tmp_path):
    pytest.importorskip("pyarrow", reason="Parquet needs pyarrow, which is optional")
    frame = pd.DataFrame({"arch": [3, 1, 2], "val": [0.5, np.nan, 0.25]})
    frame.to_parquet(tmp_path / "made.parquet")
    found = imported(VALID, tmp_path / "made.parquet")["one"].table
    expected = imported(VALID, frame.to_csv(index=False))["one"].table
    assert found.sums == expected.sums
    for broken in ({"val": [0.5, np.inf, 0.25]}, {"arch": ["3", "x", "2"]}, {"val": ["a", "b", "c"]}):
        frame.assign(**broken).to_parquet(tmp_path / "made.parquet")
        with pytest.raises(NasbenchSuiteError, match=r"row [123]"):
            imported(VALID, tmp_path / "made.parquet")
    whole = (tmp_path / "made.parquet").read_bytes()
    (tmp_path / "made.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedFileError, match="truncated"):
        imported(VALID, tmp_path / "made.parquet")


def test_parquet_without_pyarrow_says_what_to_install(imported, tmp_path, monkeypatch):
    monkeypatch.setattr("nasbench_suite.foreign.cells.find_spec", lambda name: None)
    (tmp_path / "made.parquet").write_bytes(b"PAR1")
    with pytest.raises(NasbenchSuiteError, match=r"nasbench-suite\[parquet\]"):
        imported(VALID, tmp_path / "made.parquet")
