"""Outcomes of runs against brute force over tables and records in plain Python."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite import Budget, NasbenchSuiteError, search
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.leaderboards import outcomes
from nasbench_suite.leaderboards.outcomes import Judge, Outcomes, Reference, evaluation_grid, seconds_grid
from nasbench_suite.tabular import TabularBenchmark

FIELDS = (
    "valid",
    "test",
    "best_test_seen",
    "test_regret",
    "valid_regret",
    "evaluations",
    "to_top",
    "to_optimum",
)
CURVES = ("test_regret_at", "valid_regret_at", "test_regret_at_seconds")


@pytest.fixture(params=["max", "min"], scope="module")
def task(request, make_table):
    """A table in which larger or smaller is better."""
    return TabularBenchmark(make_table(direction=request.param))


def columns(task):
    return (task.table.columns[name][:, :, -1].mean(axis=1) for name in ("valid_accuracy", "test_accuracy"))


def test_reference_is_the_best_of_each_column(task):
    valid, test = columns(task)
    best, sign = (np.max, 1) if task.metrics["valid_accuracy"].direction == "max" else (np.min, -1)
    reference = Reference.of(task)
    assert reference.maximise == (sign == 1)
    assert reference.best_valid == pytest.approx(best(valid))
    assert reference.best_test == pytest.approx(best(test))
    assert reference.test_of_best_valid == pytest.approx(test[(sign * valid).argmax()])
    in_top = (sign * valid >= sign * reference.top_valid).sum()
    assert abs(in_top - 0.01 * len(valid)) <= 1


def test_reference_leaves_out_missing_results(make_table):
    table = make_table(repeats=1)
    table.columns["valid_accuracy"][7] = 9.0
    table.columns["test_accuracy"][7] = np.nan
    table.columns["valid_accuracy"][8] = np.nan
    table.columns["test_accuracy"][8] = 8.0
    reference = Reference.of(TabularBenchmark(table))
    assert reference.best_valid == 9.0
    assert reference.best_test == 8.0


def test_what_is_no_table_has_no_regrets(monkeypatch):
    monkeypatch.setattr(outcomes, "load_benchmark", lambda task: object())
    with pytest.raises(NasbenchSuiteError, match="other/task is no table"):
        outcomes.open_table("other/task")


INTERPOLATE_AT = 31.0


def line_through(a, b):
    """The test result on the line through two entries of the history, as NATS-Bench's code reads it off."""
    at = INTERPOLATE_AT
    if a[0] == b[0]:  # a free duplicate moves neither the clock nor the incumbent
        return a[4]
    return (b[0] - at) / (b[0] - a[0]) * a[4] + (at - a[0]) / (b[0] - a[0]) * b[4]


def brute_force(task, runs, run, evaluation_points, second_points):
    """The outcomes of one run, step by step."""
    valid_column, test_column = (column.tolist() for column in columns(task))
    sign = 1 if task.metrics["valid_accuracy"].direction == "max" else -1
    best_valid, best_test = (sign * max(sign * v for v in c) for c in (valid_column, test_column))
    top = Reference.of(task).top_valid
    incumbent, clock, counted, history = None, 0.0, 0, []
    to_top = to_optimum = np.inf
    for step in range(runs.length[run]):
        value = runs.valid[run, step].item()
        clock += runs.seconds[run, step].item()
        counted += bool(runs.counted[run, step])
        if not np.isnan(value) and (incumbent is None or sign * value > sign * incumbent[0]):
            incumbent = value, task.table.index_arrays["index"][task.space.encode(runs.genes[run, [step]])[0]]
        if incumbent is not None:
            valid, test = valid_column[incumbent[1]], test_column[incumbent[1]]
            history.append(
                (clock, counted, sign * (best_test - test), sign * (best_valid - valid), test, valid)
            )
            if sign * valid >= sign * top:
                to_top = min(to_top, counted)
            if abs(valid - best_valid) < 1e-12:
                to_optimum = min(to_optimum, counted)
        else:
            history.append((clock, counted, *[np.nan] * 4))

    def read(axis, column, points):
        return [
            next((entry[column] for entry in reversed(history) if entry[axis] <= point), np.nan)
            for point in points
        ]

    end = history[-1]
    rows = task.table.index_arrays["index"][task.space.encode(runs.genes[run, : runs.length[run]])]
    nearest = sorted(history, key=lambda entry: abs(entry[0] - INTERPOLATE_AT))[:2]  # the sort is stable
    return {
        "valid": end[5],
        "test": end[4],
        "best_test_seen": sign * max(sign * test_column[row] for row in rows),
        "interpolated": line_through(*nearest),
        "test_regret": end[2],
        "valid_regret": end[3],
        "evaluations": counted,
        "to_top": to_top,
        "to_optimum": to_optimum,
        "test_regret_at": read(1, 2, evaluation_points),
        "valid_regret_at": read(1, 3, evaluation_points),
        "test_regret_at_seconds": read(0, 2, second_points),
    }


@pytest.mark.parametrize(
    "asked",
    [
        {"evaluations": 60},
        {"evaluations": 60, "repeat": "random"},
        {"evaluations": 60, "duplicates": "free"},
        {"seconds": 50.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("strategy", ["regularized_evolution", "local_search"])
def test_outcomes_are_those_of_brute_force(task, strategy, asked):
    runs = search(strategy, task, runs=12, seed=1, **asked)
    evaluation_points, second_points = np.array([1, 2, 5, 30, 59, 60, 100]), np.geomspace(0.3, 80, 17)
    found = Judge(evaluation_points, second_points, best_test_seen=True)(runs, task)
    read_off = Judge(evaluation_points, second_points, interpolate_at=INTERPOLATE_AT)(runs, task)
    assert np.isnan(read_off.best_test_seen).all()
    for run in range(12):
        expected = brute_force(task, runs, run, evaluation_points.tolist(), second_points.tolist())
        np.testing.assert_allclose(read_off.test[run], expected["interpolated"], atol=1e-9)
        for name in FIELDS + CURVES:
            np.testing.assert_allclose(getattr(found, name)[run], expected[name], atol=1e-9, err_msg=name)


def test_a_run_that_finds_the_optimum_has_no_regret(make_table):
    table = make_table()
    table.columns["valid_accuracy"][:] = 0.5
    table.columns["valid_accuracy"][:, :, 1] += np.arange(15_625)[:, None] * 1e-5
    task = TabularBenchmark(table)
    runs = search("local_search", task, evaluations=400, runs=4, settings={"improvement": "best"})
    found = Judge(np.array([400]), np.zeros(0))(runs, task)
    assert found.valid_regret.tolist() == [0.0] * 4
    assert (found.to_top <= found.to_optimum).all()
    assert (found.to_optimum < 400).all()
    for run, needed in enumerate(found.to_optimum.astype(int)):
        assert task.rows(runs.genes[run, needed - 1 : needed]).tolist() == [15_624]


def test_runs_without_any_result_have_no_outcome(make_table):
    table = make_table()
    for name in ("valid_accuracy", "test_accuracy"):
        table.columns[name][table.genes[:, 0] == 0] = np.nan
    task = TabularBenchmark(table)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingResultWarning)
        runs = search("random_search", task, evaluations=2, runs=200)
        found = Judge(np.array([1, 2]), np.zeros(0))(runs, task)
    nothing = (runs.genes[:, :, 0] == 0).all(axis=1)
    assert 0 < nothing.sum() < 40
    assert np.array_equal(np.isnan(found.test), nothing)
    assert np.array_equal(np.isnan(found.test_regret_at[:, 1]), nothing)
    assert np.array_equal(np.isnan(found.test_regret_at[:, 0]), runs.genes[:, 0, 0] == 0)
    assert np.isinf(found.to_top[nothing]).all()
    assert np.isnan(Judge(np.array([1]), np.zeros(0))(search_of(runs, nothing), task).test).all()


def search_of(runs, which):
    """The record of some runs only."""
    names = ("genes", "valid", "length", "counted", "seconds", "epochs")
    return replace(runs, **{name: getattr(runs, name)[which] for name in names})


def test_a_table_without_costs_has_no_curve_over_seconds(cora):
    runs = search("random_search", cora, evaluations=5, runs=3)
    found = Judge(np.array([1, 5]), np.zeros(0))(runs, cora)
    assert found.test_regret_at_seconds.shape == (3, 0)
    assert found.test_regret_at.shape == (3, 2)


def test_blocks_are_judged_alike_and_joined(made_up):
    judge = Judge(np.array([1, 10]), np.array([5.0]))
    runs = search("random_search", made_up, evaluations=10, runs=9)
    parts = [search_of(runs, slice(0, 4)), search_of(runs, slice(4, 9))]
    joined = Outcomes.concatenate([judge(part, made_up) for part in parts])
    whole = judge(runs, made_up)
    for name in FIELDS + CURVES:
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))


@pytest.mark.parametrize("same_axis", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_step_functions_are_read_off_at_points(seed, same_axis):
    rng = np.random.default_rng(seed)
    values = rng.random((6, 15))
    axis = rng.integers(0, 3, size=(1 if same_axis else 6, 15)).cumsum(axis=1) + 1
    axis = np.broadcast_to(axis, (6, 15))
    points = np.array([0.5, 1, 2, 2.5, 7, 12, 31, 100])
    expected = [
        [
            next((v for v, place in zip(row[::-1], places[::-1], strict=True) if place <= point), np.nan)
            for point in points
        ]
        for row, places in zip(values, axis, strict=True)
    ]
    np.testing.assert_array_equal(outcomes._read_at(values, axis, points), expected)


@pytest.mark.parametrize("last", [1, 2, 10, 100, 500, 10_000])
def test_evaluation_grids_rise_from_one_to_the_budget(last):
    grid = evaluation_grid(last)
    assert grid[0] == 1
    assert grid[-1] == last
    assert (np.diff(grid) > 0).all()
    assert len(grid) <= outcomes.POINTS_PER_CURVE


def test_seconds_grids_rise_from_the_cheapest_to_the_budget():
    grid = seconds_grid(Budget(seconds=1000.0), least=2.0, most=5.0)
    np.testing.assert_allclose(np.diff(np.log(grid)), np.log(500) / (outcomes.POINTS_PER_CURVE - 1))
    assert (grid[0], grid[-1]) == pytest.approx((2.0, 1000.0))
    assert seconds_grid(Budget(evaluations=9), least=2.0, most=5.0)[-1] == pytest.approx(5.0)
