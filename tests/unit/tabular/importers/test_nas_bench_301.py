"""The importer of NAS-Bench-301's trainings: small folders in the official structure."""

import json
import shutil

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables, table_path
from nasbench_suite.tabular.table import check_index, read_table

# published: the eleven optimisers of the official split files, and the operations of the configuration space
OPTIMIZERS = "rs de tpe re darts bananas combo pc_darts drnas gdas random_ws".split()
OPERATIONS = (
    "max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5".split()
)
CELLS = "NetworkSelectorDatasetInfo:darts:"
EPOCHS = "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max"


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))


def random_cell(rng):
    """The two edges into each of nodes 2 to 5: predecessor and operation."""
    return {
        node: [(int(a), str(rng.choice(OPERATIONS))) for a in np.sort(rng.choice(node, 2, replace=False))]
        for node in (2, 3, 4, 5)
    }


def genotype(cells):
    """The published text form, which the space reads."""
    parts = []
    for name, cell in cells.items():
        edges = [(operation, source) for node in (2, 3, 4, 5) for source, operation in cell[node]]
        parts.append(f"{name}={edges}, {name}_concat=range(2, 6)")
    return f"Genotype({', '.join(parts)})"


def configuration(cells):
    """The architecture as the official file writes it: edges numbered through all nodes' predecessors."""
    found = {
        "OptimizerSelector:sgd:learning_rate": 0.025,
        "ImageAugmentation:cutout": "True",
        EPOCHS: 100,
        CELLS + "layers": 8,
        CELLS + "init_channels": 32,
    }
    for name, cell in cells.items():
        number = 0
        for node in (2, 3, 4, 5):
            for source in range(node):
                for chosen, operation in cell[node]:
                    if chosen == source:
                        found[f"{CELLS}edge_{name}_{number}"] = operation
                number += 1
            if node > 2:
                found[f"{CELLS}inputs_node_{name}_{node}"] = "_".join(str(a) for a, _ in cell[node])
    return found


def result(rng, cells, epochs=98):
    curves = {
        f"Train/{tag}": rng.uniform(10, 99, epochs).tolist() for tag in ("train_accuracy", "val_accuracy")
    }
    curves["Train/train_loss"] = rng.uniform(0, 3, epochs).tolist()
    curves["Train/other"] = ["of no interest"]
    info = {
        "train_loss": curves["Train/train_loss"][-1],
        "train_accuracy": curves["Train/train_accuracy"][-1],
        "val_accuracy": curves["Train/val_accuracy"][-1],
        "val_cross_entropy": rng.uniform(),
        "epochs": epochs,
        "model_parameters": int(rng.integers(10**6, 10**7)),
    }
    return {
        "final_metric_score": -info["val_accuracy"],
        "optimized_hyperparamater_config": configuration(cells),
        "budget": 100,
        "info": [info],
        "test_accuracy": rng.uniform(10, 99),
        "runtime": int(rng.integers(1000, 9000)),
        "learning_curves": curves,
    }


@pytest.fixture
def made(tmp_path):
    """A folder with 25 trainings, and their cells and contents by `OPTIMIZER/results_N.json`."""
    rng = np.random.default_rng(5)
    root = tmp_path / "nb_301_v13_lc_iclr_final"
    contents = {}
    for optimizer in OPTIMIZERS:
        for number in range(15 if optimizer == "rs" else 1):
            cells = {"normal": random_cell(rng), "reduce": random_cell(rng)}
            ending = "_ti" if number == 11 else ""
            name = f"{optimizer}/results_{number}{ending}.json"
            contents[name] = (cells, result(rng, cells))
    write(root, {name: content for name, (_, content) in contents.items()})
    return root, contents


def write(root, contents):
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(content)
        (root / name).write_text(text)


def imported(root, jobs=1, options=None):
    assert import_tables("nasbench301", [root], jobs=jobs, options=options) == ["nasbench301/cifar10"]
    return read_table(table_path("nasbench301/cifar10"))


def refused(root, match, options=None):
    with pytest.raises(DamagedFileError, match=match):
        import_tables("nasbench301", [root], options=options)
    assert not list((root.parent / "data").rglob("*.*"))


def rows_of(table, contents):
    space = get_space("darts_cell")
    genes = np.array([space.parse(genotype(cells)) for cells, _ in contents.values()])
    return TabularBenchmark(table).rows(genes)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_value_bit_for_bit(made, jobs):
    root, contents = made
    table = imported(root, jobs)
    check_index(table)
    assert len(table) == 25
    assert table.epochs.tolist() == list(range(1, 99))
    for (name, (_, content)), row in zip(contents.items(), rows_of(table, contents), strict=True):
        info, curves = content["info"][0], content["learning_curves"]
        expected = {
            "valid_accuracy": [value / 100 for value in curves["Train/val_accuracy"]],
            "train_accuracy": [value / 100 for value in curves["Train/train_accuracy"]],
            "train_loss": curves["Train/train_loss"],
            "valid_loss": [info["val_cross_entropy"]],
            "test_accuracy": [content["test_accuracy"] / 100],
            "runtime_seconds": [content["runtime"]],
            "params_millions": [info["model_parameters"] / 1e6],
            "optimizer_index": [OPTIMIZERS.index(name.partition("/")[0])],
        }
        assert {metric: values[row, 0].tolist() for metric, values in table.columns.items()} == expected
    assert table.description.source_version == "v13"
    assert table.description.source == "nb_301_v13_lc_iclr_final"


def test_queries_answer_after_full_training_only(made):
    table = imported(made[0])
    benchmark = TabularBenchmark(table)
    found = benchmark.query(table.genes)
    assert np.array_equal(found.valid, table.columns["valid_accuracy"][:, 0, -1])
    assert np.array_equal(found.seconds, table.columns["runtime_seconds"][:, 0, 0])
    assert np.array_equal(benchmark.reveal(table.genes).test, table.columns["test_accuracy"][:, 0, 0])
    with pytest.raises(NasbenchSuiteError, match="seconds of a whole training only"):
        benchmark.query(table.genes, epochs=50)


def test_the_light_data_has_no_epochs(made):
    root, contents = made
    for _, content in contents.values():
        del content["learning_curves"]
    write(root, {name: content for name, (_, content) in contents.items()})
    table = imported(root)
    assert table.epochs.tolist() == []
    valid = table.columns["valid_accuracy"][rows_of(table, contents), 0]
    assert valid.tolist() == [[content["info"][0]["val_accuracy"] / 100] for _, content in contents.values()]
    assert TabularBenchmark(table).query(table.genes).seconds is not None


def test_short_curves_keep_their_final_value_and_miss_the_epochs_between(made):
    root, contents = made
    rng = np.random.default_rng(1)
    cells, _ = contents["darts/results_0.json"]
    contents["darts/results_0.json"] = (cells, result(rng, cells, epochs=60))
    write(root, {"darts/results_0.json": contents["darts/results_0.json"][1]})
    table = imported(root)
    row = rows_of(table, contents)[list(contents).index("darts/results_0.json")]
    curve = table.columns["valid_accuracy"][row, 0]
    told = contents["darts/results_0.json"][1]
    assert curve[:60].tolist() == [value / 100 for value in told["learning_curves"]["Train/val_accuracy"]]
    assert np.isnan(curve[60:97]).all()
    assert curve[97] == told["info"][0]["val_accuracy"] / 100


def test_trainings_of_one_architecture_are_repeats(made):
    root, contents = made
    rng = np.random.default_rng(2)
    cells, first = contents["rs/results_3.json"]
    # in a node's place another: both cells of the architecture get an isomorphic twin
    flat = {node: [(0, OPERATIONS[node]), (1, OPERATIONS[node + 1])] for node in (2, 3, 4, 5)}
    turned = {node: flat[7 - node] for node in (2, 3, 4, 5)}
    again = {
        "gdas/results_1.json": result(rng, cells),
        "rs/results_99.json": result(rng, cells),  # the same configuration from the same optimiser: left out
        "re/results_1.json": result(rng, {"normal": flat, "reduce": turned}),
        "re/results_2.json": result(rng, {"normal": turned, "reduce": flat}),
    }
    write(root, again)
    table = imported(root)
    assert len(table) == 26
    assert table.description.repeats == ["training 1", "training 2"]
    benchmark = TabularBenchmark(table)
    genes = np.array(
        [benchmark.space.parse(genotype(c)) for c in (cells, {"normal": flat, "reduce": turned})]
    )
    tests = table.columns["test_accuracy"][benchmark.rows(genes), :, 0] * 100
    pairs = [(first, again["gdas/results_1.json"]), (again["re/results_1.json"], again["re/results_2.json"])]
    assert np.allclose(tests, [[one["test_accuracy"] for one in pair] for pair in pairs], rtol=1e-15)
    assert np.allclose(benchmark.reveal(genes).test, tests.mean(axis=1) / 100)
    with pytest.warns(MissingResultWarning):
        assert np.isnan(benchmark.query(table.genes, repeat=1).valid).sum() == 24


def test_the_folder_may_lie_deep_and_beside_others(made, tmp_path):
    root, contents = made
    deep = tmp_path / "unpacked" / "home" / "somebody" / "nb_301_v13"
    shutil.move(root, deep)
    _, content = contents["rs/results_0.json"]
    for other in ("groundtruths/rs", "lowpar_training_data/de", "notes"):
        write(deep, {f"{other}/results_0.json": content, f"{other}/readme.json": "none"})
    write(deep, {"rs/surrogate.json": "no JSON"})
    assert len(imported(tmp_path / "unpacked")) == 25
    shutil.copytree(deep / "rs", deep / "copy" / "rs")
    shutil.rmtree(tmp_path / "data")
    refused(tmp_path / "unpacked", "two folders 'rs'")


def test_lacking_optimizers_are_refused_unless_partial(made):
    root, _ = made
    shutil.rmtree(root / "gdas")
    refused(root, "has no results_.*json of gdas; ")
    assert len(imported(root, options={"partial": "yes"})) == 24
    (root / "empty").mkdir()
    with pytest.raises(DamagedFileError, match="has no results"):
        import_tables("nasbench301", [root / "empty"], options={"partial": "yes"})
    with pytest.raises(DamagedFileError, match="is no folder; unpack"):
        import_tables("nasbench301", [root / "rs" / "results_0.json"])


def test_another_recipe_is_refused_or_left_out(made):
    root, contents = made
    _, content = contents["rs/results_4.json"]
    content["optimized_hyperparamater_config"][EPOCHS] = 50
    write(root, {"rs/results_4.json": content})
    refused(
        root, r"rs/results_4.json was trained with .*\(50, 32, 8\), rs/results_0.json with \(100, 32, 8\)"
    )
    assert len(imported(root, options={"partial": "yes"})) == 24


def changes():
    edges = f"{CELLS}edge_normal_0"

    def of(*keys, value):
        def change(content):
            for key in keys[:-1]:
                content = content[key]
            content[keys[-1]] = value

        return change

    return {
        "truncated": (lambda content: json.dumps(content)[:500], "is truncated or no JSON"),
        "no JSON": (lambda content: "<html>", "is truncated or no JSON"),
        "deep": (lambda content: "[" * 100_000, "is truncated or no JSON"),
        "a list": (lambda content: "[]", "has not 'info'"),
        "no info": (lambda content: content.pop("info") and None, "has not 'info'"),
        "no configuration": (of("optimized_hyperparamater_config", value=None), "has not 'info'"),
        "text": (of("test_accuracy", value="94"), "'test_accuracy' is '94', no number"),
        "truth": (of("runtime", value=True), "'runtime' is True"),
        "no runtime": (of("runtime", value=None), "'runtime' is None"),
        "no accuracy": (of("info", 0, "val_accuracy", value=None), "'val_accuracy' is None"),
        "infinite": (of("test_accuracy", value=float("inf")), "test_accuracy of .* is infinite"),
        "curve": (of("learning_curves", "Train/val_accuracy", value=3), "'Train/val_accuracy' is no list"),
        "text in a curve": (
            of("learning_curves", "Train/val_accuracy", value=["1"]),
            "is no list of numbers",
        ),
        "no curves": (of("learning_curves", value=[]), "'Train/val_accuracy' is no list"),
        "operation": (of("optimized_hyperparamater_config", edges, value="none"), "edge_normal_0 is 'none'"),
        "edge": (
            lambda content: content["optimized_hyperparamater_config"].pop(edges) and None,
            "has 15 edges",
        ),
        "pair": (
            of("optimized_hyperparamater_config", f"{CELLS}inputs_node_reduce_4", value="3_1"),
            "inputs_node_reduce_4 is '3_1', not one of 0_1, 0_2",
        ),
        "wrong pair": (
            of("optimized_hyperparamater_config", f"{CELLS}inputs_node_reduce_5", value=None),
            "inputs_node_reduce_5 is None",
        ),
    }


CHANGES = changes()


@pytest.mark.parametrize(("change", "match"), CHANGES.values(), ids=CHANGES)
def test_damaged_files_are_refused_by_name(made, change, match):
    root, contents = made
    content = contents["rs/results_7.json"][1]
    write(root, {"rs/results_7.json": change(content) or content})
    refused(root, match if "infinite" in match else f"rs/results_7.json.*{match}")
