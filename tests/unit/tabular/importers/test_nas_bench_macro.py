"""The importer of NAS-Bench-Macro: the published file, and small ones in its structure."""

import json
from itertools import product

import numpy as np
import pytest

from nasbench_suite import get_space
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.table import check_index, read_table


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def official(shared_data):
    path = shared_data / "nas_bench_macro" / "nas-bench-macro_cifar10.json"
    return path, json.loads(path.read_text())


def benchmark():
    return TabularBenchmark(read_table(table_path("macro/cifar10")))


def network(text):
    """The network of a string, by brute force: identities of the later layers of a stage do not count."""
    stages = (text[:2], text[2:5], text[5:])
    return tuple(stage[0] + stage[1:].replace("0", "") for stage in stages)


def made(strings):
    """The official structure for some strings; every network has numbers of its own."""
    numbers = {}
    records = {}
    for text in strings:
        number = numbers.setdefault(network(text), len(numbers))
        runs = [90 + number / 700, 91 + number / 700, 92.5]
        records[text] = {
            "test_acc": runs,
            "mean_acc": float(np.mean(runs)),
            "std": float(np.std(runs)),
            "params": 1_000_003 + number,
            "flops": 50_000_017 + number,
        }
    return records


def written(tmp_path, content):
    path = tmp_path / "nas-bench-macro_cifar10.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def partial(tmp_path, content):
    return import_tables("nasbench-macro", [written(tmp_path, content)], options={"partial": "yes"})


def refused(tmp_path, content, match, options=None):
    path = written(tmp_path, content)
    with pytest.raises(DamagedFileError, match=match):
        import_tables("nasbench-macro", [path], options={"partial": "yes"} if options is None else options)
    assert not list((tmp_path / "data").rglob("*.h5"))


def test_every_published_string_bit_for_bit(official):
    path, records = official
    assert import_tables("nasbench-macro", [path]) == ["macro/cifar10"]
    found = benchmark()
    check_index(found.table)
    assert len(found.table) == 3969 == len({network(text) for text in records})
    genes = np.array([list(map(int, text)) for text in records], dtype=np.uint8)
    runs = np.array([record["test_acc"] for record in records.values()]) / 100
    for repeat in range(3):
        assert np.array_equal(found.query(genes, repeat=repeat).valid, runs[:, repeat])
    means = np.array([record["mean_acc"] for record in records.values()]) / 100
    assert found.reveal(genes).test == pytest.approx(means, rel=1e-12)
    info = found.query(genes, info=["params_millions", "flops_millions"]).info
    for name in ("params", "flops"):
        counts = np.array([record[name] for record in records.values()])
        assert np.array_equal(info[f"{name}_millions"], counts / 1e6)


def test_figures_that_were_computed_from_the_published_file_elsewhere(official):
    import_tables("nasbench-macro", [official[0]])
    found = benchmark()
    mean = 100 * found.valid_column()
    order = np.argsort(-mean)
    space = found.space
    assert round(mean[order[0]], 4) == 93.1267
    best = space.key(found.table.genes[order[:1]])
    assert best == space.key(space.parse("22212220")[None]) == space.key(space.parse("22212202")[None])
    assert round(mean[order[-1]], 2) == 45.36
    assert space.format(found.table.genes[order[-1:]]) == ["00000000"]
    assert (round(mean.mean(), 3), round(np.median(mean), 3)) == (90.285, 91.057)
    assert (mean > 93).sum() == 10
    assert (found.valid_metric, found.test_metric) == ("accuracy", "accuracy")
    assert np.array_equal(found.valid_column(), found.test_column())


def test_a_small_file_in_any_order(tmp_path):
    strings = ["00001000", "22212220", "22212202", "00000100", "00010000"]
    records = made(strings)
    partial(tmp_path, records)
    found = benchmark()
    assert len(found.table) == len({network(text) for text in strings}) == 3
    for text, record in records.items():
        genes = get_space("macro").parse(text)[None]
        for repeat in range(3):
            assert found.query(genes, repeat=repeat).valid[0] == record["test_acc"][repeat] / 100
        brought = found.query(genes, info=["params_millions", "flops_millions"]).info
        assert brought["params_millions"][0] == record["params"] / 1e6
        assert brought["flops_millions"][0] == record["flops"] / 1e6


def test_the_whole_space_made_up(tmp_path):
    records = made(map("".join, product("012", repeat=8)))
    import_tables("nasbench-macro", [written(tmp_path, records)])
    assert len(benchmark().table) == 3969


def test_lacking_strings_are_refused_unless_partial(tmp_path):
    refused(tmp_path, made(["00000000"]), "lacks 6,560 of 6,561 .* 00000001; .* --partial", options={})
    lacking = made(map("".join, product("012", repeat=8)))
    del lacking["02012100"]
    refused(tmp_path, lacking, "lacks 1 of 6,561 architectures, one of them 02012100", options={})
    refused(tmp_path, {}, "lacks 6,561 of 6,561")


def changed(key, value, text="01000000"):
    records = made(["00000000", "01000000"])
    records[text][key] = value
    return records


GOOD = made(["00000000", "01000000"])
BAD = {
    "a list": ([1, 2], "no object of networks"),
    "text": ('"x"', "no object of networks"),
    "truncated": (json.dumps(GOOD)[:-30], "truncated or no JSON"),
    "empty": ("", "truncated or no JSON"),
    "nested": ("[" * 100_000, "truncated or no JSON"),
    "twice": ('{"00000000": {}, "00000001": {}, "00000000": {}}', "has '00000000' twice"),
    "twice within": ('{"00000000": {"flops": 1, "flops": 2}}', "has 'flops' twice"),
    "short": ({"0000000": GOOD["00000000"]}, "describes 7 layer"),
    "unknown operation": ({"00000003": GOOD["00000000"]}, "character 8"),
    "spaces": ({" 00000000": GOOD["00000000"]}, "not written as '00000000'"),
    "no record": ({"00000000": 3}, "network 00000000: 'test_acc'"),
    "no runs": (changed("test_acc", None), "network 01000000: 'test_acc' is no list of 3"),
    "two runs": (changed("test_acc", [90.0, 91.0]), "'test_acc' is no list of 3"),
    "text as run": (changed("test_acc", [90.0, 91.0, "92"]), "network 01000000: '92' is no accuracy"),
    "truth": (changed("params", True), "True is no accuracy or count"),
    "none": (changed("flops", None), "None is no accuracy or count"),
    "nan": (changed("test_acc", [float("nan"), 90.0, 90.0]), "nan is no accuracy"),
    "infinite": (changed("flops", float("inf")), "inf is no accuracy or count"),
    "negative": (changed("params", -1), "-1 is no accuracy"),
    "above a hundred": (changed("test_acc", [90.0, 101.0, 90.0]), "101.0 is no accuracy"),
    "huge": (changed("params", 10**30), "is no accuracy or count"),
}


@pytest.mark.parametrize(("content", "match"), BAD.values(), ids=BAD)
def test_bad_files_are_refused(tmp_path, content, match):
    refused(tmp_path, content, match)


def test_strings_of_one_network_must_agree(tmp_path):
    for key, value in [("test_acc", [90.0, 91.0, 92.0]), ("params", 5), ("flops", 5)]:
        records = made(["22212220", "22212202"])
        records["22212202"][key] = value
        refused(tmp_path, records, "22212202 and 22212220 are the same network and have different results")


def test_one_readable_file_is_asked_for(tmp_path):
    path = written(tmp_path, GOOD)
    with pytest.raises(NasbenchSuiteError, match="reads one file, not 2"):
        import_tables("nasbench-macro", [path, path])
    with pytest.raises(NasbenchSuiteError, match="cannot be read"):
        import_tables("nasbench-macro", [tmp_path])
