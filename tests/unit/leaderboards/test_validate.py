"""Validation: picks of searches, trained again with fresh seeds, beside a made-up table."""

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space, jobs, search
from nasbench_suite.leaderboards import outcomes
from nasbench_suite.leaderboards import validate as validating
from nasbench_suite.leaderboards.picks import Picks, read_picks
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.results import find_board, load_board, save_board
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.leaderboards.validate import table_results, validate
from nasbench_suite.leaderboards.validation import Choice, Measured, Validation
from nasbench_suite.leaderboards.validation_page import as_data, csv_table, write_validation
from nasbench_suite.tabular import TabularBenchmark
from nasbench_suite.training import kept
from nasbench_suite.training.ensemble import accuracy
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.predictions import train_and_predict
from nasbench_suite.training.task import DataChoice

SPACE = get_space("nats_topology")
RULES = {
    "title": "Two searches",
    "summary": "Made up.",
    "tasks": ["made/up"],
    "evaluations": 12,
    "runs": 5,
    "resamples": 60,
    "strategies": [{"strategy": "random_search"}, {"strategy": "regularized_evolution"}],
}
SMALL = Choice(top=2, seeds=2)


@pytest.fixture
def table(make_table, monkeypatch) -> TabularBenchmark:
    made = TabularBenchmark(make_table())
    for module in (outcomes, jobs):
        monkeypatch.setattr(module, "load_benchmark", lambda name, **on: made)
    return made


@pytest.fixture
def trains(monkeypatch, tiny_task):
    """Tasks that can be trained, by name; those that are not here cannot."""
    tasks = {"made/up": tiny_task(seeds=[3, 1002])}

    def find(name):
        if name not in tasks:
            raise NasbenchSuiteError(f"{name} cannot be trained here.")
        return tasks[name]

    monkeypatch.setattr(validating, "training_task", find)
    return tasks


@pytest.fixture
def trained(monkeypatch) -> list[tuple[int, int]]:
    """Seed and number of architectures of everything that is trained."""
    calls = []

    def counted(space, genes, *rest, seed, checkpoint):
        calls.append((seed, len(genes)))
        return train_and_predict(space, genes, *rest, seed=seed, checkpoint=checkpoint)

    monkeypatch.setattr(kept, "train_and_predict", counted)
    return calls


@pytest.fixture
def board(table, tmp_path):
    return run_board(Rules.model_validate(RULES), tmp_path, tmp_path / "runs")


@pytest.fixture
def found(board, trains, tmp_path):
    return validate(board, tmp_path, SMALL)


# -- picks ---------------------------------------------------------------------------------------


def test_picks_are_what_runs_ended_with(table):
    record = search("random_search", table, evaluations=3, runs=40, seed=1)
    counted = {}
    for run in range(40):
        best = max(range(3), key=lambda step: record.valid[run, step])
        row = tuple(record.genes[run, best].tolist())
        counted[row] = counted.get(row, 0) + 1
    picks = Picks.of(record)
    assert {tuple(g.tolist()): r for g, r in zip(picks.genes, picks.runs, strict=True)} == counted
    joined = Picks.join([picks, Picks(picks.genes, 2 * picks.runs)])
    np.testing.assert_array_equal(joined.genes, picks.genes)
    np.testing.assert_array_equal(joined.runs, 3 * picks.runs)


def test_runs_that_found_nothing_picked_nothing(table):
    record = search("random_search", table, evaluations=2, runs=4)
    valid = record.valid.copy()
    valid[1:] = np.nan
    assert Picks.of(replace(record, valid=valid)).runs.tolist() == [1]
    nothing = Picks.of(replace(record, valid=valid * np.nan))
    assert len(nothing) == len(nothing.top(3, SPACE, np.zeros(0))) == 0


def test_the_top_are_those_of_most_runs_then_the_best_by_validation():
    twins = [
        "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
    ]
    genes = np.stack([SPACE.parse(text) for text in (*twins, "1462", "11", "284")])
    runs = np.array([2, 3, 4, 4, 1])
    score = np.array([0.9, 0.1, 0.3, 0.4, np.nan])
    top = Picks(genes, runs).top(9, SPACE, score)
    assert top.runs.tolist() == [5, 4, 4, 1]
    assert SPACE.format(top.genes) == [twins[1], *SPACE.format(genes[[3, 2, 4]])]
    assert Picks(genes, runs).top(2, SPACE, score).runs.tolist() == [5, 4]


def test_a_board_keeps_its_picks(board, tmp_path):
    save_board(board, tmp_path / "results.h5")
    again = load_board(tmp_path / "results.h5")
    from_records = read_picks(tmp_path / "runs", ["made/up"], board.labels)
    for label in board.labels:
        for picks in (again.picks["made/up"][label], from_records["made/up"][label]):
            np.testing.assert_array_equal(picks.genes, board.picks["made/up"][label].genes)
            np.testing.assert_array_equal(picks.runs, board.picks["made/up"][label].runs)
        assert board.picks["made/up"][label].runs.sum() == 5
    assert find_board(str(tmp_path)) == tmp_path


def test_a_board_of_before_picks_were_kept_is_validated_by_its_records(board, trains, tmp_path, found):
    save_board(replace(board, picks={}), tmp_path / "results.h5")
    old = load_board(tmp_path / "results.h5")
    assert old.picks == {}
    again = validate(old, tmp_path, SMALL)
    assert [pick.architecture for pick in again.columns[0].picks] == [
        pick.architecture for pick in found.columns[0].picks
    ]
    with pytest.raises(NasbenchSuiteError, match="no records of random_search on made/up; play it again"):
        validate(old, tmp_path / "elsewhere", SMALL)


# -- what is trained --------------------------------------------------------------------------------


def test_the_top_of_every_strategy_is_trained_with_fresh_seeds(board, found, table):
    (column,) = found.columns
    assert column.seeds == [1001, 1003]  # the table has 1002
    assert column.trained_for == ["made/up"]
    expected = {}
    for label in board.labels:
        picks = board.picks["made/up"][label]
        top = picks.top(2, SPACE, table.query(picks.genes).valid)
        for text, runs in zip(SPACE.format(top.genes), top.runs, strict=True):
            expected.setdefault(text, {})[label] = runs
    assert {pick.architecture: dict(pick.picked_by) for pick in column.picks} == expected
    stated = [pick.table["valid"].mean for pick in column.picks]
    assert stated == sorted(stated, reverse=True)


def test_results_are_the_tables_and_those_of_trainings_from_scratch(found, table, trains):
    (column,) = found.columns
    task = trains["made/up"]
    data = task.load_data()
    genes = np.stack([SPACE.parse(pick.architecture) for pick in column.picks])
    asked = task.space, SPACE.canonical(genes), task.network_skeleton(data), data, task.training_recipe
    curves = [train_all(*asked, seed=seed) for seed in (1001, 1003)]
    rows = table.rows(genes)
    for split, metric in (("valid", "valid_accuracy"), ("test", "test_accuracy")):
        last = np.stack([getattr(of_seed, metric)[:, -1] for of_seed in curves], axis=1)
        in_table = table.table.columns[metric][rows, :, -1]
        for row, pick in enumerate(column.picks):
            for measured, values in ((pick.trained[split], last[row]), (pick.table[split], in_table[row])):
                assert measured.mean == pytest.approx(values.mean(), abs=1e-6)
                assert measured.sd == pytest.approx(values.std(ddof=1), abs=1e-6)
                assert measured.trainings == len(values)
            assert pick.gap(split) == pytest.approx(last[row].mean() - in_table[row].mean(), abs=1e-6)
            assert pick.failures == []
        agreement = column.agreement[split]
        gaps = last.mean(axis=1) - in_table.mean(axis=1)
        assert agreement.architectures == len(genes)
        assert agreement.gap.mean == pytest.approx(gaps.mean(), abs=1e-6)
        assert agreement.verdict.startswith("the table is optimistic")  # it is made of numbers around 1


def test_isomorphic_picks_are_one(board, trains, tmp_path):
    twins = [
        "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
    ]
    picks = {
        label: Picks(SPACE.parse(text)[None], np.array([5]))
        for label, text in zip(board.labels, twins, strict=True)
    }
    (column,) = validate(replace(board, picks={"made/up": picks}), tmp_path, SMALL).columns
    (pick,) = column.picks
    assert pick.architecture == twins[0]
    assert pick.picked_by == {"random_search": 5, "regularized_evolution": 5}
    assert column.ensembles == []


def test_a_validation_goes_on_where_it_stopped(board, trains, trained, tmp_path, monkeypatch):
    def interrupt(done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        validate(board, tmp_path, SMALL, interrupt)
    before = list(trained)
    assert {seed for seed, _ in before} == {1001, 1003}
    trained.clear()
    steps = []
    found = validate(board, tmp_path, SMALL, lambda done, total: steps.append((done, total)))
    assert trained == []
    picks = len(found.columns[0].picks)
    assert steps[-1] == (2 * picks, 2 * picks)
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert validate(board, tmp_path, replace(SMALL, seeds=3)).columns[0].seeds == [1001, 1003, 1004]
    assert trained == [(1004, picks)]


def test_workers_train_all_seeds_at_once_and_the_page_is_the_same(board, trains, tmp_path, found):
    asked = []

    class Listening(ThreadPoolExecutor):
        def submit(self, function, store, name, part, seed):
            asked.append((seed, len(part)))
            return super().submit(function, store, name, part, seed)

    with Listening(1) as executor:
        again = validate(board, tmp_path / "again", SMALL, executor=executor)
    assert as_data(again) == as_data(found)
    assert {seed for seed, _ in asked} == set(found.columns[0].seeds)
    assert sum(number for _, number in asked) == 2 * len(found.columns[0].picks)


def test_another_recipe_or_data_set_is_trained_and_said(board, trains, tmp_path, tiny_recipe):
    tiny_recipe(name="other", learning_rate=0.02)
    (column,) = validate(board, tmp_path, replace(SMALL, recipe="other")).columns
    assert column.recipe == "other"
    assert column.differences == ["The recipe is other; the table's is tiny."]


def test_splits_that_other_tasks_judge_are_trained_by_those(board, trains, trained, tmp_path, tiny_task):
    rules = {
        **RULES,
        "judging": [{"name": "both", "search": "made/up", "valid": "made/up", "test": "made/judge"}],
    }
    mixed = replace(board, rules=Rules.model_validate(rules))
    trains["made/judge"] = tiny_task(task="made/judge", recipe="short", seeds=[1001], validation="none")
    (column,) = validate(mixed, tmp_path, replace(SMALL, top=1)).columns
    assert column.trained_for == ["made/up", "made/judge"]
    assert column.seeds == [1003, 1004]
    assert [seed for seed, _ in trained] == [1003, 1004]  # what made/judge's networks predict is of no use
    task = trains["made/judge"]
    data = task.load_data()
    genes = SPACE.canonical(np.stack([SPACE.parse(pick.architecture) for pick in column.picks]))
    asked = task.space, genes, task.network_skeleton(data), data, task.training_recipe
    expected = (
        train_all(*asked, seed=1003).test_accuracy[:, -1] + train_all(*asked, seed=1004).test_accuracy[:, -1]
    )
    np.testing.assert_allclose([pick.trained["test"].mean for pick in column.picks], expected / 2, atol=1e-6)


def test_columns_that_cannot_be_trained_are_skipped_with_the_reason(board, trains, tmp_path):
    judging = [
        {"name": "itself", "search": "made/up", "valid": "made/up", "test": "made/up"},
        {"name": "other", "search": "made/up", "valid": "made/up", "test": "made/other"},
    ]
    two = replace(board, rules=Rules.model_validate({**RULES, "judging": judging}))
    found = validate(two, tmp_path, replace(SMALL, top=1, seeds=1))
    assert [column.column for column in found.columns] == ["itself"]
    assert found.skipped == {"other": "made/other cannot be trained here."}
    assert not np.isfinite(found.columns[0].picks[0].trained["test"].sd)
    trains.clear()
    with pytest.raises(NasbenchSuiteError, match=r"no column .* validated. made/up cannot be trained here."):
        validate(two, tmp_path, SMALL)


def test_columns_with_the_same_reason_are_said_once():
    skipped = {"a/b": "a/b cannot be trained.", "c/d": "c/d cannot be trained.", "e/f": "No data."}
    found = Validation("A board", SMALL, 0.95, [], skipped)
    assert found.skipped_by_reason == {"cannot be trained.": ["a/b", "c/d"], "No data.": ["e/f"]}


@pytest.mark.parametrize("best", [1, 2])
def test_picks_of_the_best_strategies_alone(board, trains, tmp_path, best):
    found = validate(board, tmp_path, Choice(top=2, seeds=1, best=best))
    asked = {label for pick in found.columns[0].picks for label in pick.picked_by}
    regret = {label: board.summaries["made/up"][label].test_regret.mean for label in board.labels}
    assert asked == set(sorted(regret, key=regret.get)[:best])


def test_latencies_are_on_the_page_where_they_were_asked_for(board, trains, tmp_path):
    found = validate(board, tmp_path, Choice(top=1, seeds=1, latency=True))
    (column,) = found.columns
    page = write_validation(found, tmp_path / "validation.md", "board")[-1].read_text()
    assert "| architecture | sum of operators (ms) | network (ms) |" in page
    assert "--top 1 --seeds 1 --latency`" in page
    rows = list(csv.DictReader(io.StringIO(csv_table(found))))
    assert [float(row["latency_ms_network"]) for row in rows] == pytest.approx(column.latencies.measured)
    (plain,) = json.loads(json.dumps(as_data(found)))["columns"].values()
    assert [p["latency_ms"]["sum"] for p in plain["picks"]] == pytest.approx(column.latencies.predicted)


def test_latencies_that_cannot_be_had_are_missing_and_said(board, trains, tmp_path, monkeypatch):
    def refuse(*_):
        raise NasbenchSuiteError("operators are no sum.")

    monkeypatch.setattr(validating, "pick_latencies", refuse)
    (column,) = validate(board, tmp_path, Choice(top=1, seeds=1, latency=True)).columns
    assert column.latencies is None
    assert column.missing == ["No latencies: operators are no sum."]


def test_data_that_are_not_there_are_said_before_anything_is_trained(
    board, trains, trained, tmp_path, monkeypatch, tiny_task
):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    rules = {
        **RULES,
        "judging": [{"name": "it", "search": "made/up", "valid": "made/up", "test": "made/judge"}],
    }
    trains["made/judge"] = tiny_task(data=DataChoice(name="cifar10-valid"))
    with pytest.raises(NasbenchSuiteError, match=r"cifar10 is not in .*cifar10; put cifar-10"):
        validate(replace(board, rules=Rules.model_validate(rules)), tmp_path, SMALL)
    with pytest.raises(NasbenchSuiteError, match=r"cifar100 is not in"):
        validate(board, tmp_path, replace(SMALL, data="cifar100"))
    assert trained == []


# -- the table ----------------------------------------------------------------------------------------


def test_what_a_table_lacks_is_missing_and_said(make_table, monkeypatch):
    table = make_table(rows=4)
    table.columns["test_accuracy"][1] = np.nan
    table.columns["test_accuracy"][2, 1:] = np.nan
    made = TabularBenchmark(table)
    monkeypatch.setattr(outcomes, "load_benchmark", lambda name, **on: made)
    others = SPACE.sample(np.random.default_rng(0), 1)
    genes = np.concatenate([table.genes, others])
    results, reason = table_results("made/up", genes, "test")
    assert reason == "The table of made/up lacks the test results of 2 of 5 picks."
    np.testing.assert_array_equal(results[:4], table.columns["test_accuracy"][:, :, -1])
    assert np.isnan(results[[1, 4]]).all()
    assert table_results("made/up", table.genes, "valid")[1] == ""


def test_without_a_table_trainings_stand_alone(board, trains, tmp_path, monkeypatch):
    def absent(name):
        raise NasbenchSuiteError("the table of made/up is not here.")

    monkeypatch.setattr(outcomes, "load_benchmark", absent)
    found = validate(board, tmp_path, SMALL)
    (column,) = found.columns
    assert column.missing == ["No table to compare with: the table of made/up is not here."]
    assert column.agreement["test"].verdict.startswith("there is nothing to compare")
    assert np.isfinite([pick.trained["test"].mean for pick in column.picks]).all()
    page, *_ = (path.read_text() for path in write_validation(found, tmp_path / "v.md", "x")[::-1])
    assert "the table of made/up is not here" in page


def test_a_metric_that_is_no_accuracy_is_not_compared(make_table, monkeypatch):
    table = make_table(rows=3)
    table.metrics["test_accuracy"] = replace(table.metrics["test_accuracy"], unit="nats")
    monkeypatch.setattr(outcomes, "load_benchmark", lambda name, **on: TabularBenchmark(table))
    results, reason = table_results("made/up", table.genes, "test")
    assert reason == "test_accuracy of made/up is no accuracy, so it is not compared."
    assert np.isnan(results).all()


def test_a_training_that_failed_is_said(board, trains, tmp_path, tiny_recipe):
    tiny_recipe(name="wild", learning_rate=1e30)
    found = validate(board, tmp_path, replace(SMALL, recipe="wild", seeds=1))
    failed = [pick for pick in found.columns[0].picks if pick.failures]
    assert failed
    for pick in failed:
        assert pick.failures[0].startswith("the loss became nan in epoch")
        assert np.isnan(pick.trained["test"].mean)
    sound = len(found.columns[0].picks) - len(failed)
    assert [gain.size for gain in found.columns[0].ensembles] == list(range(2, sound + 1))
    page = write_validation(found, tmp_path / "v.md", "x")[-1].read_text()
    assert "the loss became nan in epoch" in page


def test_inputs_that_test_give_no_validation_results(board, trains, tmp_path, tiny_task):
    trains["made/up"] = tiny_task(validation="none")
    (column,) = validate(board, tmp_path, replace(SMALL, seeds=1)).columns
    assert np.isnan([pick.trained["valid"].mean for pick in column.picks]).all()
    assert np.isfinite([pick.trained["test"].mean for pick in column.picks]).all()
    assert column.ensembles == []


# -- ensembles and pages ---------------------------------------------------------------------------------


def test_ensembles_are_of_the_best_by_validation_of_each_seed(found, trains):
    (column,) = found.columns
    task = trains["made/up"]
    data = task.load_data()
    genes = SPACE.canonical(np.stack([SPACE.parse(pick.architecture) for pick in column.picks]))
    asked = task.space, genes, task.network_skeleton(data), data, task.training_recipe
    valid, test = (data.labels[part].numpy() for part in (data.valid, data.test))
    assert [gain.size for gain in column.ensembles] == list(range(2, len(genes) + 1))
    (pair, *_), gains = column.ensembles, []
    for seed, ours in zip((1001, 1003), pair.by_seed, strict=True):
        _, predicted = train_and_predict(*asked, seed=seed)
        order = sorted(range(len(genes)), key=lambda row: -accuracy(predicted[row].valid, valid))
        assert ours.members == tuple(order[:2])
        mean = (np.exp(predicted[order[0]].test) + np.exp(predicted[order[1]].test)) / 2
        single = accuracy(predicted[order[0]].test, test)
        gains.append(accuracy(mean, test) - single)
        assert ours.test.over_best == pytest.approx(gains[-1])
    assert pair.over_seeds("test", "over_best") == Measured(
        pytest.approx(np.mean(gains)), pytest.approx(np.std(gains, ddof=1)), 2
    )


def test_pages_show_what_was_found(found, tmp_path):
    figure, table, page = write_validation(found, tmp_path / "validation.md", "my-board")
    assert [path.name for path in (figure, table, page)] == [
        "validation.svg",
        "validation.csv",
        "validation.md",
    ]
    (column,) = found.columns
    text = page.read_text()
    assert f"Test: {column.agreement['test'].verdict}." in text
    assert "seeds 1001, 1003" in text
    assert "nasbench-suite validate my-board --top 2 --seeds 2`" in text
    first = column.picks[0]
    assert f"{100 * first.trained['test'].mean:.2f} ± {100 * first.trained['test'].sd:.2f}" in text
    drawn = ElementTree.fromstring(figure.read_bytes())
    words = "".join(drawn.itertext())
    assert "made/up" in words
    assert "test accuracy in the table" in words
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    assert [row["architecture"] for row in rows] == [pick.architecture for pick in column.picks]
    for row, pick in zip(rows, column.picks, strict=True):
        assert float(row["gap_test"]) == pytest.approx(pick.gap("test"), rel=1e-6)
        assert float(row["table_valid_sd"]) == pytest.approx(pick.table["valid"].sd, rel=1e-6)
        assert int(row["trained_test_trainings"]) == 2


def test_pages_of_the_same_validation_are_the_same_bytes(found, tmp_path):
    first = [path.read_bytes() for path in write_validation(found, tmp_path / "a" / "v.md", "x")]
    assert first == [path.read_bytes() for path in write_validation(found, tmp_path / "b" / "v.md", "x")]


def test_data_are_plain_json(found):
    data = json.loads(json.dumps(as_data(found), allow_nan=False))
    column = data["columns"]["made/up"]
    assert column["seeds"] == [1001, 1003]
    assert column["agreement"]["test"]["verdict"] == found.columns[0].agreement["test"].verdict
    assert column["picks"][0]["trained"]["test"]["trainings"] == 2
    assert column["ensembles"][0]["size"] == 2
    assert csv_table(found).count("\n") == 1 + len(column["picks"])
