"""The importer of NAS-Bench-101, on files written in the official layout."""

import base64
import json

import numpy as np
import official_nasbench101 as official
import pytest
from official_nasbench101 import EPOCHS, RESULTS, made_up

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.importers import nas_bench_101, nasbench101_records
from nasbench_suite.tabular.table import check_index, read_table

PARTIAL = {"partial": "yes"}
# The least cells and their hashes, from the enumeration of the space (space_423624.csv.gz).
LEAST = ("043721b9c7fe8c5fad811d47d83132ec", "0100", "input,output")
NEXT = ("b49ac8c578b4561d79ac7087988f1c61", "010001000", "input,conv3x3-bn-relu,output")
CELLS = (LEAST, NEXT)
PARAMETERS = {LEAST: 1_234_567, NEXT: 89}


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def sample(shared_data):
    return shared_data / "nasbench101" / "sample_30001.csv.gz"


def benchmark():
    return TabularBenchmark(read_table(table_path("nasbench101/cifar10")))


def evaluations(number, epochs):
    return [
        (0.0, made_up(number, 0)),
        (epochs / 2, made_up(number, epochs / 2)),
        (epochs, made_up(number, epochs)),
    ]


def payload(cell, epochs, number, **changes):
    message = official.metrics(evaluations(number, epochs), PARAMETERS[cell])
    return official.record(cell, epochs, message, **changes)


def payloads(cells=CELLS, epochs=EPOCHS, runs=3):
    """All trainings of some cells, run after run, so that the runs of a cell do not follow each other."""
    every = [(run, cell, length) for run in range(runs) for cell in cells for length in epochs]
    return [payload(cell, length, 100 * run + CELLS.index(cell)) for run, cell, length in every]


def written(tmp_path, records, name="nasbench_full.tfrecord"):
    path = tmp_path / name
    path.write_bytes(official.tfrecord(records))
    return path


def imported(tmp_path, records):
    return import_tables("nasbench101", [written(tmp_path, records)], options=PARTIAL)


def refused(path, match, options=PARTIAL):
    with pytest.raises(DamagedFileError, match=match):
        import_tables("nasbench101", [path], options=options)
    assert not list((path.parent / "data").rglob("*.h5"))


def genes_of(cells):
    space = get_space("nasbench101")
    rows = []
    for _, adjacency, operations in cells:
        names = operations.split(",")
        bits = np.array(list(map(int, adjacency))).reshape(len(names), len(names))
        rows.append(space.from_matrix(bits, names))
    return np.array(rows)


def broken_into_lines(record):
    *parts, metrics = json.loads(record)
    return json.dumps([*parts, base64.encodebytes(base64.b64decode(metrics)).decode()]).encode()


@pytest.mark.parametrize("lines", [False, True], ids=["one line", "many lines"])
def test_a_small_file_bit_for_bit(tmp_path, lines):
    records = payloads()
    if lines:
        records = [broken_into_lines(record) for record in records]
    assert imported(tmp_path, records) == ["nasbench101/cifar10"]
    found = benchmark()
    check_index(found.table)
    assert found.fidelities == EPOCHS
    assert found.repeats == 3
    assert found.table.description.rows == "class"
    rows = found.rows(genes_of(CELLS))
    for place, cell in enumerate(CELLS):
        columns = {name: values[rows[place]] for name, values in found.table.columns.items()}
        assert columns["params_millions"].tolist() == [[PARAMETERS[cell] / 1e6]]
        for run in range(3):
            for at, epochs in enumerate(EPOCHS):
                for prefix, when in (("", epochs), ("halfway_", epochs / 2)):
                    expected = made_up(100 * run + place, when)
                    for name, field in RESULTS.items():
                        assert columns[prefix + name][run, at] == expected[field]


def test_roles(tmp_path):
    imported(tmp_path, payloads())
    found = benchmark()
    genes = genes_of(CELLS)
    assert found.cost_metric == "training_seconds"
    assert found.query(genes, epochs=12, repeat=1).seconds.tolist() == [
        made_up(100, 12)[2],
        made_up(101, 12)[2],
    ]
    test = np.mean([[made_up(100 * run + place, 108)[5] for run in range(3)] for place in (0, 1)], axis=1)
    assert found.reveal(genes).test == pytest.approx(test, abs=1e-15)
    for name in ("test_accuracy", "halfway_test_accuracy"):
        with pytest.raises(NasbenchSuiteError, match="visible to a search"):
            found.query(genes, info=[name])


def test_only_108(tmp_path):
    imported(tmp_path, payloads(epochs=(108,)))
    found = benchmark()
    assert found.fidelities == (108,)
    assert found.query(genes_of([NEXT]), repeat=2).valid.tolist() == [made_up(201, 108)[4]]
    with pytest.raises(NasbenchSuiteError, match="no results after 4 epochs; it offers 108"):
        found.query(genes_of([NEXT]), epochs=4)


def test_order_of_the_records_matters_only_for_the_runs(tmp_path):
    records = payloads()
    imported(tmp_path, records)
    first = benchmark().table.columns["valid_accuracy"].copy()
    shuffled = np.random.default_rng(0).permutation(len(records))
    imported(tmp_path, [records[place] for place in shuffled])
    again = benchmark().table.columns["valid_accuracy"]
    assert np.array_equal(np.sort(first, axis=1), np.sort(again, axis=1))
    assert not np.array_equal(first, again)


def test_published_results_written_in_the_layout(sample, tmp_path):
    """The validation accuracies of one run of 30,001 cells; what the CSV lacks is made up."""
    lines = official.read_lines(sample)
    records = []
    for number, line in enumerate(lines):
        for epochs in EPOCHS:
            last = made_up(number, epochs) | {4: float(line[f"val{epochs}"])}
            if epochs == 108:
                last[2] = float(line["training_time108_s"])
            message = official.metrics(
                [*evaluations(number, epochs)[:2], (epochs, last)],
                int(line["trainable_parameters"]),
            )
            records.append(official.record(official.cell(line), epochs, message))
    path = written(tmp_path, records)
    refused(path, "lacks 393,623 of 423,624 architectures, one of them .* --partial", options={})
    import_tables("nasbench101", [path], options=PARTIAL)
    found = benchmark()
    assert len(found.table) == 30001
    assert found.table.description.repeats == ["training 1"]
    space = found.space
    genes = np.array([space.parse(f"{line['upper_triangle']}:{line['ops']}") for line in lines])
    for epochs in EPOCHS:
        brought = found.query(genes, epochs=epochs, info=["halfway_valid_accuracy", "params_millions"])
        assert brought.valid.tolist() == [float(line[f"val{epochs}"]) for line in lines]
        halfway = [made_up(number, epochs / 2)[4] for number in range(len(lines))]
        assert brought.info["halfway_valid_accuracy"].tolist() == halfway
    assert brought.seconds.tolist() == [float(line["training_time108_s"]) for line in lines]
    counts = np.array([int(line["trainable_parameters"]) for line in lines])
    assert np.array_equal(brought.info["params_millions"], counts / 1e6)


def test_trainings_that_are_lacking(tmp_path):
    records = payloads()
    del records[-1]
    path = written(tmp_path, records)
    import_tables("nasbench101", [path], options=PARTIAL)
    found = benchmark().table.columns["test_accuracy"]
    assert np.isnan(found).sum() == 1
    assert np.isnan(found[1, 2, 3])


def test_an_incomplete_cell_is_refused_without_partial(tmp_path, monkeypatch):
    monkeypatch.setattr(nas_bench_101, "check_complete", lambda *_: None)
    whole = payloads()
    refused(
        written(tmp_path, whole[:-1]),
        r"has 2 training\(s\) of 101:0 for 108 epochs, not 3; .* --partial",
        options={},
    )
    import_tables("nasbench101", [written(tmp_path, whole)])
    assert len(benchmark().table) == 2


def other(**changed):
    """All trainings, and the last record with something else in it."""
    parts = json.loads(payloads()[-1])
    names = ["module_hash", "epochs", "adjacency", "operations", "metrics"]
    for name, value in changed.items():
        parts[names.index(name)] = value
    return [*payloads()[:-1], json.dumps(parts).encode()]


def message(evaluated, parameters=89):
    return base64.b64encode(official.metrics(evaluated, parameters)).decode()


def last(**fields):
    """Metrics whose last evaluation has other numbers; by field `f4=...`."""
    every = evaluations(201, 108)
    changed = {**every[2][1], **{int(name[1:]): value for name, value in fields.items()}}
    return message([*every[:2], (every[2][0], {k: v for k, v in changed.items() if v is not None})])


BAD = {
    "no JSON": ([*payloads(), b"x"], "record 25: it is no JSON"),
    "not UTF-8": ([b'["\xff"]'], "record 1: it is no JSON"),
    "deep": ([b"[" * 100_000], "record 1: it is no JSON"),
    "an object": ([b"{}"], "record 1: it is no list of 5 parts"),
    "four parts": ([b'["a", 4, "b", "c"]'], "record 1: it is no list of 5 parts"),
    "other epochs": (other(epochs=107), "record 24: no cell was trained for 107 epochs"),
    "epochs that do not fit": (
        other(epochs=36),
        "record 24: its last evaluation is after 108",
    ),
    "epochs as text": (other(epochs="108"), "record 24: '108' is no number of epochs"),
    "true epochs": (other(epochs=True), "record 24: True is no number of epochs"),
    "huge epochs": (other(epochs=10**30), "record 24: 10+ is no number of epochs"),
    "number as hash": (other(module_hash=3), "record 24: 3 is no text"),
    "short hash": (other(module_hash="ab"), "record 24: 'ab' is no hash"),
    "no hash": (other(module_hash="z" * 32), "record 24: 'z{32}' is no hash"),
    "another cell's hash": (other(module_hash=LEAST[0]), "record 24: its hash is not the one of earlier"),
    "no matrix": (other(adjacency="01100100"), "record 24: '01100100' is no square matrix"),
    "empty matrix": (other(adjacency=""), "record 24: '' is no square matrix"),
    "weights": (other(adjacency="020001000"), "record 24: '020001000' is no square matrix"),
    "backwards": (other(adjacency="010101000"), "record 24: .*is no upper-triangular matrix"),
    "unconnected": (other(adjacency="010000000"), "record 24: .*no path leads from its input"),
    "eight vertices": (other(adjacency="0" * 64), "record 24: '0+ is no square matrix"),
    "larger matrix": (other(adjacency="0111001100010000"), "record 24: 3 operations do not fit 16 bits"),
    "unknown operation": (
        other(operations="input,conv5x5,output"),
        "record 24: 'input,conv5x5,output' is no",
    ),
    "no input": (other(operations="maxpool3x3,maxpool3x3,output"), "record 24: .* is no list of operations"),
    "one operation": (other(operations="input"), "record 24: 'input' is no list of operations"),
    "no base64": (other(metrics="!!!!"), "record 24: its metrics are no base64"),
    "half base64": (other(metrics="abc"), "record 24: its metrics are no base64"),
    "non-ASCII base64": (other(metrics="é"), "record 24: its metrics are no base64"),
    "truncated metrics": (other(metrics=last()[:-12]), "record 24: its metrics are malformed"),
    "no metrics": (other(metrics=""), "record 24: its last evaluation is after nan|record 24: .*not there"),
    "two evaluations": (
        other(metrics=message(evaluations(201, 108)[:2])),
        "record 24: training_seconds is not there",
    ),
    "no accuracy": (other(metrics=last(f4=None)), "record 24: valid_accuracy is not there"),
    "nan": (other(metrics=last(f5=np.nan)), "record 24: test_accuracy is not there"),
    "per cent": (other(metrics=last(f4=90.0)), "record 24: valid_accuracy is 90"),
    "infinite": (other(metrics=last(f2=np.inf)), "record 24: training_seconds is inf"),
    "negative": (other(metrics=last(f2=-1.0)), "record 24: training_seconds is -1"),
    "other parameters": (
        other(metrics=message(evaluations(201, 108), 90)),
        "record 24: its cell has 90 parameters, but 89 before",
    ),
    "four runs": (payloads(runs=4), r"has 4 training\(s\) of 1: for 4 epochs, not 3"),
    "empty": ([], "lacks 423,624 of 423,624 architectures"),
}


@pytest.mark.parametrize(("records", "match"), BAD.values(), ids=BAD)
def test_bad_records_are_refused(tmp_path, records, match):
    refused(written(tmp_path, records), match)


def test_batches_are_joined(tmp_path, monkeypatch):
    imported(tmp_path, payloads())
    whole = benchmark().table.sha256
    monkeypatch.setattr(nasbench101_records, "RECORDS_AT_ONCE", 7)
    imported(tmp_path, payloads())
    assert benchmark().table.sha256 == whole
    with pytest.raises(DamagedFileError, match="record 24: 'ab' is no hash"):
        imported(tmp_path, other(module_hash="ab"))
    with pytest.raises(DamagedFileError, match="record 24: its metrics are malformed"):
        imported(tmp_path, other(metrics=last()[:-12]))


def test_hashes_of_other_cells_are_refused(tmp_path):
    wrong = ("0" * 32, *NEXT[1:])
    records = payloads((LEAST,)) + [
        official.record(wrong, epochs, official.metrics(evaluations(1, epochs), 89)) for epochs in EPOCHS
    ]
    refused(written(tmp_path, records), f"record 13: its hash is 0{{32}}, its cell's is {NEXT[0]}")
    twice = [
        official.record((LEAST[0], *NEXT[1:]), epochs, official.metrics(evaluations(1, epochs), 89))
        for epochs in EPOCHS
    ]
    refused(written(tmp_path, payloads((LEAST,)) + twice), "two cells with the same hash")


def test_a_damaged_file_is_refused_wherever_it_is_damaged(tmp_path):
    path = written(tmp_path, payloads(runs=1))
    whole = path.read_bytes()
    ends = set(np.cumsum([len(record) + 16 for record in payloads(runs=1)]).tolist())
    for length in range(1, len(whole), 53):
        if length not in ends:
            path.write_bytes(whole[:length])
            refused(path, "record")
    for place in range(0, len(whole), 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        refused(path, "record")


def test_other_files_are_refused(shared_data, tmp_path):
    for name in ("nas_bench_macro/nas-bench-macro_cifar10.json", "nasbench101/sample_30001.csv.gz"):
        with pytest.raises(DamagedFileError):
            import_tables("nasbench101", [shared_data / name])
    with pytest.raises(NasbenchSuiteError, match="reads one file, not 2"):
        import_tables("nasbench101", [tmp_path, tmp_path])
    with pytest.raises(NasbenchSuiteError, match="cannot be read"):
        import_tables("nasbench101", [tmp_path])
