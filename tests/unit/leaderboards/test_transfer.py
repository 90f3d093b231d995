"""Transfer matrices: against dictionaries of the authors, a CSV read without the suite, and brute force."""

import csv
import gzip
import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import NasbenchSuiteError, get_space, jobs
from nasbench_suite.cards import read_card
from nasbench_suite.content import content_root
from nasbench_suite.leaderboards import outcomes
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.leaderboards.short_names import short_names
from nasbench_suite.leaderboards.transfer import transfer_of_board, transfer_of_tasks
from nasbench_suite.leaderboards.transfer_page import as_data, csv_table, write_transfers
from nasbench_suite.tabular import Table, TabularBenchmark
from nasbench_suite.tabular.catalogue import import_tables
from nasbench_suite.tabular.importers.mapping import TableMapping

SPACE = get_space("nats_topology")
RULES = {
    "title": "Transferred",
    "summary": "Made up.",
    "tasks": ["made/one", "made/two"],
    "evaluations": 15,
    "runs": 8,
    "resamples": 50,
    "strategies": [{"strategy": name} for name in ("random_search", "local_search", "genetic", "reinforce")],
}


@pytest.fixture
def put(make_table, monkeypatch):
    """Put made-up tables where tasks are looked up: by name, with what `make_table` takes."""
    found = {}
    for module in (outcomes, jobs):
        monkeypatch.setattr(module, "load_benchmark", lambda name, **on: found[name])

    def put(name, *, without="", **asked):
        table = make_table(**asked)
        description = table.description.model_copy(update={"task": name} | ({without: ""} if without else {}))
        metrics = {key: metric for key, metric in table.metrics.items() if metric.role != without}
        columns = {key: table.columns[key] for key in metrics}
        found[name] = TabularBenchmark(Table(description, table.genes, table.epochs, metrics, columns))
        return found

    return put


@pytest.fixture
def tables(put):
    """Two tables of one space, the second of which lacks architectures and counts down."""
    put("made/one", seed=1)
    return put("made/two", seed=2, direction="min", rows=9000)


@pytest.fixture
def played(put, tmp_path):
    """A board on two whole tables, and these."""
    put("made/one", seed=1)
    tables = put("made/two", seed=2, direction="min")
    return run_board(Rules.model_validate(RULES), tmp_path, tmp_path / "runs"), tables


def columns(benchmark):
    """Architecture to mean validation and mean test result, as dictionaries."""
    texts = [tuple(row) for row in benchmark.table.genes.tolist()]
    return (
        dict(zip(texts, benchmark.table.columns[name][:, :, -1].mean(axis=1).tolist(), strict=True))
        for name in ("valid_accuracy", "test_accuracy")
    )


def test_cells_are_those_of_brute_force(tables):
    found = transfer_of_tasks(["made/one", "made/two"], 5)
    (transfer,) = found.spaces
    assert transfer.searched == transfer.judged == ["made/one", "made/two"]
    (judged,) = transfer.by_strategy.values()
    sign = {"made/one": 1, "made/two": -1}
    for row, searched in enumerate(transfer.searched):
        valid, own_test = columns(tables[searched])
        picks = sorted(valid, key=lambda cell, v=valid, s=sign[searched]: -s * v[cell])[:5]
        for column, by in enumerate(transfer.judged):
            _, test = columns(tables[by])
            results = [test[cell] for cell in picks if cell in test]
            best = sign[by] * max(sign[by] * value for value in test.values())
            assert judged.runs[row, column] == len(results)
            assert judged.mean[row, column] == pytest.approx(np.mean(results))
            assert judged.sd[row, column] == pytest.approx(np.std(results, ddof=1))
            assert judged.regret[row, column] == pytest.approx(sign[by] * (best - np.mean(results)))
            assert transfer.best[column] == pytest.approx(best)
            both = [cell for cell in valid if cell in test]
            oriented = [
                [s * values[cell] for cell in both]
                for s, values in ((sign[searched], valid), (sign[searched], own_test), (sign[by], test))
            ]
            expected = [stats.spearmanr(side, oriented[2]).statistic for side in oriented[:2]]
            assert transfer.architectures[row, column] == len(both)
            assert transfer.steering[row, column] == pytest.approx(expected[0])
            assert transfer.spearman[row, column] == pytest.approx(expected[1])
            assert transfer.kendall[row, column] == pytest.approx(
                stats.kendalltau(oriented[1], oriented[2]).statistic
            )
    assert np.diag(transfer.spearman) == pytest.approx([1, 1])
    assert (judged.regret >= 0).all()


def test_a_board_judges_what_each_run_ended_with(played, tmp_path):
    board, _ = played
    for given in (board, replace(board, picks={})):  # one of before picks were kept has records
        (transfer,) = transfer_of_board(given, tmp_path).spaces
        assert list(transfer.by_strategy) == board.by_rank()
        for label, judged in transfer.by_strategy.items():
            for at, task in enumerate(RULES["tasks"]):
                summary = board.summaries[task][label]
                assert judged.mean[at, at] == pytest.approx(summary.test.mean)
                assert judged.sd[at, at] == pytest.approx(summary.test.sd)
                assert judged.regret[at, at] == pytest.approx(summary.test_regret.mean)
                assert judged.runs[at, at] == 8


def test_a_pick_counts_once_for_every_run_that_ended_with_it(played, tmp_path):
    board, tables = played
    genes = np.stack([SPACE.parse("11"), SPACE.parse("284")])
    picks = {
        task: {label: Picks(genes, np.array([3, 1])) for label in board.labels} for task in RULES["tasks"]
    }
    (transfer,) = transfer_of_board(replace(board, picks=picks), tmp_path).spaces
    test = tables["made/one"].reveal(genes).test
    assert transfer.by_strategy["random_search"].mean[0, 0] == pytest.approx((3 * test[0] + test[1]) / 4)
    assert transfer.by_strategy["random_search"].runs[0, 0] == 4


def test_a_task_without_validation_judges_and_one_without_test_is_searched(put):
    put("made/tests", seed=3, without="valid")
    put("made/validates", seed=4, without="test")
    (transfer,) = transfer_of_tasks(["made/tests", "made/validates"], 3).spaces
    assert (transfer.searched, transfer.judged) == (["made/validates"], ["made/tests"])
    assert np.isfinite(transfer.steering).all()
    assert np.isnan(transfer.spearman).all()
    assert np.isnan(transfer.kendall).all()
    put("made/too", seed=5, without="test")
    with pytest.raises(NasbenchSuiteError, match=r"nothing can be transferred.*made/validates, made/too"):
        transfer_of_tasks(["made/validates", "made/too"], 3)


def test_tasks_of_other_spaces_are_left_out_with_the_reason(data_folder):
    found = transfer_of_tasks(["graph/cora", "graph/arxiv", "graph/proteins"], 2)
    assert [transfer.space for transfer in found.spaces] == ["graph"]
    assert found.alone == {"graph/proteins": "no other task here has its space, graph_proteins"}
    with pytest.raises(NasbenchSuiteError, match=r"no two of these tasks share a search space"):
        transfer_of_tasks(["graph/cora", "graph/proteins"], 2)


def test_graphs_against_the_authors_dictionaries(data_folder, official_records):
    (transfer,) = transfer_of_tasks(["graph/cora", "graph/arxiv", "graph/cs"], 1).spaces
    (judged,) = transfer.by_strategy.values()
    names = [task.partition("/")[2] for task in transfer.judged]
    for row, searched in enumerate(names):
        records = official_records(searched)
        pick = max(records, key=lambda cell: records[cell]["valid_perf"])
        for column, by in enumerate(names):
            others = official_records(by)
            best = max(record["perf"] for record in others.values())
            assert judged.mean[row, column] == pytest.approx(others[pick]["perf"], abs=1e-9)
            assert judged.regret[row, column] == pytest.approx(best - others[pick]["perf"], abs=1e-9)
            both = sorted(set(records) & set(others))
            rho = stats.spearmanr([records[c]["valid_perf"] for c in both], [others[c]["perf"] for c in both])
            assert transfer.steering[row, column] == pytest.approx(rho.statistic, abs=1e-6)


@pytest.fixture
def nats(shared_data, tmp_path, monkeypatch):
    """The lines of the CSV of NATS-Bench exports, read without the suite; its tables are imported."""
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    path = shared_data / "nats_topology" / "accuracy.csv.gz"
    meaning = read_card(content_root() / "tabular" / "nats_topology" / "from-csv.toml", TableMapping)
    import_tables("table", [path], sheet=meaning.datasheet(), options={"mapping": meaning.model_dump_json()})
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("strategy", ["random_search", "regularized_evolution"])
def test_the_protocol_of_nasbench201_table_5_is_one_row(nats, strategy, tmp_path):
    """Search on CIFAR-10's 12-epoch reward, judge the same cell by 200 epochs on all three data sets."""
    tests = ("cifar10", "cifar100", "ImageNet16-120")
    rules = Rules.model_validate(
        {
            **RULES,
            "tasks": ["nats_topology/cifar10-valid@12"],
            "evaluations": None,
            "seconds": 12000.0,
            "overshoot": "discard",
            "runs": 30,
            "strategies": [{"strategy": strategy}],
            "judging": [
                {
                    "name": name,
                    "search": "nats_topology/cifar10-valid@12",
                    "valid": f"nats_topology/{valid}",
                    "test": f"nats_topology/{name}",
                }
                for name, valid in zip(tests, ("cifar10-valid", "cifar100", "ImageNet16-120"), strict=True)
            ],
        }
    )
    board = run_board(rules, tmp_path, tmp_path / "runs")
    (transfer,) = transfer_of_board(board, tmp_path).spaces
    assert transfer.searched == rules.tasks
    assert transfer.judged == [f"nats_topology/{name}" for name in tests]
    judged = transfer.by_strategy[strategy]
    picks = board.picks[rules.tasks[0]][strategy]
    index = {SPACE.format(SPACE.parse(str(number))[None])[0]: number for number in range(len(nats))}
    rows = np.repeat([index[text] for text in SPACE.format(picks.genes)], picks.runs)
    for column, name in enumerate(("c10_test200", "c100_test200", "in16_test200")):
        results = np.array([float(line[name]) / 100 for line in nats])
        assert judged.mean[0, column] == pytest.approx(results[rows].mean())
        assert judged.regret[0, column] == pytest.approx(results.max() - results[rows].mean())
        assert board.summaries[tests[column]][strategy].test.mean == pytest.approx(results[rows].mean())


def test_data_sets_of_nats_bench_rank_cells_as_published(nats):
    """Spearman's rho of the 200-epoch test results over all cells; see published.md, section 1.1."""
    tasks = [f"nats_topology/{name}" for name in ("cifar100", "ImageNet16-120", "cifar10")]
    (transfer,) = transfer_of_tasks(tasks, 1).spaces
    assert transfer.searched == tasks[:2]
    np.testing.assert_allclose(transfer.spearman, [[1, 0.964, 0.980], [0.964, 1, 0.959]], atol=5e-4)
    (judged,) = transfer.by_strategy.values()
    # The best cell of ImageNet16-120 by validation, #10676, tests at 46.20 there.
    assert 100 * judged.mean[1, 1] == pytest.approx(46.20, abs=0.005)


def test_pages_show_the_matrices(tables, tmp_path):
    found = transfer_of_tasks(["made/one", "made/two"], 4)
    figure, table, page = write_transfers(found, tmp_path / "transfer.md")
    assert [path.name for path in (figure, table, page)] == ["transfer.svg", "transfer.csv", "transfer.md"]
    (transfer,) = found.spaces
    (judged,) = transfer.by_strategy.values()
    text = page.read_text()
    worst, least = 100 * judged.regret[:, 1].max(), 100 * judged.regret[:, 1].min()
    assert f"** ({least:.2f})" in text
    assert f"** ({worst:.2f})" not in text
    assert f"{transfer.kendall[0, 1]:.3f}" in text
    lines = list(csv.DictReader(table.read_text().splitlines()))
    assert len(lines) == 4
    assert float(lines[1]["test_regret"]) == pytest.approx(judged.regret[0, 1], rel=1e-6)
    assert int(lines[1]["runs"]) == judged.runs[0, 1]
    words = [text.strip() for text in ElementTree.fromstring(figure.read_bytes()).itertext()]
    assert f"{100 * judged.regret[0, 1]:.2f}" in words
    assert "judged on" in words
    data = json.loads(json.dumps(as_data(found), allow_nan=False))
    assert (
        data["spaces"]["nats_topology"]["strategies"]["best 4 by validation"]["runs"] == judged.runs.tolist()
    )
    assert csv_table(found) == table.read_text()
    assert write_transfers(found, tmp_path / "b" / "transfer.md")[0].read_bytes() == figure.read_bytes()


def test_short_names_are_unique():
    assert short_names(["graph/cora", "graph/cs"]) == ["cora", "cs"]
    assert short_names(["a/cora", "b/cora", "b/cs", "own"]) == ["a/cora", "b/cora", "cs", "own"]
