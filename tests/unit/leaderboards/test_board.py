"""A board over a table with training costs: budgets in simulated seconds, and what its pages show of them."""

import dataclasses

import numpy as np
import pytest

from nasbench_suite import jobs
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards import outcomes
from nasbench_suite.leaderboards.figures import board_figures, figure_names
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.render import markdown_page, write_pages
from nasbench_suite.leaderboards.results import load_board, save_board
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.runs import Runs
from nasbench_suite.tabular import Table, TabularBenchmark

RULES = {
    "title": "Seconds",
    "summary": "Made up.",
    "tasks": ["made/up"],
    "seconds": 60.0,
    "runs": 12,
    "repeat": "random",
    "resamples": 50,
    "strategies": [{"strategy": "random_search"}, {"strategy": "regularized_evolution"}],
}


@pytest.fixture
def task(make_table, monkeypatch):
    made = TabularBenchmark(make_table())
    for module in (outcomes, jobs):
        monkeypatch.setattr(module, "load_benchmark", lambda name, **on: made)
    return made


@pytest.fixture
def played(task, tmp_path):
    return run_board(Rules.model_validate(RULES), tmp_path, tmp_path / "runs")


def test_runs_end_when_their_simulated_seconds_are_spent(played, tmp_path):
    (path,) = (tmp_path / "runs" / "made-up" / "random_search").iterdir()
    clock = Runs.load(path).clock()
    assert (clock[:, -1] >= 60).all()
    assert (clock[:, -1] < 60 + 1.5).all()  # the last evaluation is finished, and none costs more


def test_regret_over_seconds_is_that_of_the_records(played, task, tmp_path):
    (path,) = (tmp_path / "runs" / "made-up" / "random_search").iterdir()
    runs = Runs.load(path)
    valid, test = task.valid_column(), task.test_column()
    at = played.seconds["made/up"][40]
    regrets = []
    for run in range(12):
        done = [s for s in range(runs.length[run]) if runs.seconds[run, : s + 1].sum() <= at]
        best = max(done, key=lambda s: runs.valid[run, s])
        (row,) = task.rows(runs.genes[run, best][None])
        regrets.append(test.max() - test[row])
        assert 0.5 <= valid[row] <= 1.5
    curve = played.summaries["made/up"]["random_search"].seconds_curve
    assert curve.mean[40] == pytest.approx(np.mean(regrets))


def test_pages_show_the_seconds(played, tmp_path):
    assert "regret-by-seconds.svg" in figure_names(played)
    assert b"simulated seconds" in board_figures(played)["regret-by-seconds.svg"]
    assert "a budget of 60 simulated seconds" in markdown_page(played, "x")
    written = {path.name for path in write_pages(played, tmp_path / "pages", "x")}
    assert {"board.md", "board.html", "regret-by-seconds.svg"} <= written


def test_runs_whose_architecture_has_no_test_result_are_counted(task, tmp_path):
    """Nothing is missing for the search; a third of the table was never tested."""
    untested = np.random.default_rng(1).random(len(task.table)) < 1 / 3
    task.table.columns["test_accuracy"][untested] = np.nan
    board = run_board(Rules.model_validate(RULES), tmp_path, tmp_path / "runs")
    lacking = {}
    for label in board.labels:
        (path,) = (tmp_path / "runs" / "made-up" / label).iterdir()
        runs = Runs.load(path)
        ended = np.nanargmax(np.where(runs.present, runs.valid, -np.inf), axis=1)
        lacking[label] = int(untested[task.rows(runs.genes[np.arange(12), ended])].sum())
    assert all(lacking.values())
    assert board.left_out("made/up") == board.as_data()["tasks"]["made/up"]["left_out"] == lacking
    said = "the table has none of what they ended with: " + ", ".join(
        f"{runs} of 12 runs of {label}" for label, runs in lacking.items()
    )
    assert f"\n\nLeft out of test results, because {said}.\n\n" in markdown_page(board, "x")
    write_pages(board, tmp_path / "pages", "x")
    page = (tmp_path / "pages" / "board.html").read_text(encoding="utf-8")
    assert f"<p>Left out of test results, because {said}.</p>" in page


def test_where_all_have_test_results_nothing_is_left_out(played):
    assert played.left_out("made/up") == {}
    assert "Left out" not in markdown_page(played, "x")


def test_what_was_seen_on_a_board_is_on_its_pages(played, tmp_path):
    assert "What was seen" not in markdown_page(played, "x")
    rules = played.rules.model_copy(update={"observations": ["Evolution <wins>.", "By little."]})
    board = dataclasses.replace(played, rules=rules)
    assert "\nWhat was seen on it:\n\n- Evolution <wins>.\n- By little.\n" in markdown_page(board, "x")
    write_pages(board, tmp_path / "pages", "x")
    page = (tmp_path / "pages" / "board.html").read_text(encoding="utf-8")
    assert "<li>Evolution &lt;wins&gt;.</li>" in page


def test_a_board_is_read_back_as_it_was(played, tmp_path):
    save_board(played, tmp_path / "results.h5")
    assert markdown_page(load_board(tmp_path / "results.h5"), "x") == markdown_page(played, "x")
    assert load_board(tmp_path / "results.h5").as_data() == played.as_data()


def test_figures_of_the_same_board_are_the_same_bytes(played):
    figures = board_figures(played)
    assert figures == board_figures(played)
    assert list(figures) == figure_names(played)


@pytest.fixture
def two_tables(make_table, monkeypatch):
    """A short schedule to search, and the long one that judges."""
    found = {
        "made/up": TabularBenchmark(make_table(epochs=(12,))),
        "made/judge": TabularBenchmark(make_table(epochs=(200,), seed=9)),
    }
    for module in (outcomes, jobs):
        monkeypatch.setattr(module, "load_benchmark", lambda name, **on: found[name])
    return found


JUDGED = {
    **RULES,
    "judging": [
        {"name": "itself", "search": "made/up", "valid": "made/up", "test": "made/up"},
        {"name": "the long one", "search": "made/up", "valid": "made/judge", "test": "made/judge"},
        {"name": "mixed", "search": "made/up", "valid": "made/up", "test": "made/judge"},
    ],
}


def test_incumbents_are_judged_by_the_tables_of_the_rules(two_tables, tmp_path):
    board = run_board(Rules.model_validate(JUDGED), tmp_path, tmp_path / "runs")
    (path,) = (tmp_path / "runs" / "made-up" / "random_search").iterdir()
    runs = Runs.load(path)
    final = np.nanargmax(np.where(runs.present, runs.valid, -np.inf), axis=1)
    genes = runs.genes[np.arange(12), final]
    for column, by_valid, by_test in (
        ("itself", "made/up", "made/up"),
        ("the long one", "made/judge", "made/judge"),
        ("mixed", "made/up", "made/judge"),
    ):
        summary = board.summaries[column]["random_search"]
        valid, test = two_tables[by_valid].query(genes).valid, two_tables[by_test].reveal(genes).test
        assert summary.valid.mean == pytest.approx(valid.mean())
        assert summary.test.mean == pytest.approx(test.mean())
        assert summary.test_regret.mean == pytest.approx(
            two_tables[by_test].test_column().max() - test.mean()
        )
    assert board.columns == ["itself", "the long one", "mixed"]
    save_board(board, tmp_path / "board.h5")
    assert markdown_page(load_board(tmp_path / "board.h5"), "made") == markdown_page(board, "made")


def test_an_optional_strategy_that_the_table_cannot_serve_is_left_out_with_its_reason(two_tables, tmp_path):
    wanting = {"strategy": "random_search", "label": "wanting", "reward": "valid - no_such_metric"}
    rules = {**RULES, "strategies": [*RULES["strategies"], wanting]}
    with pytest.raises(NasbenchSuiteError, match="no_such_metric"):
        run_board(Rules.model_validate(rules), tmp_path, tmp_path / "runs")
    rules["strategies"][-1] = {**wanting, "optional": True}
    board = run_board(Rules.model_validate(rules), tmp_path, tmp_path / "runs")
    assert board.labels == ["random_search", "regularized_evolution"]
    assert "no_such_metric" in board.skipped["wanting"]
    assert "Not played: wanting" in markdown_page(board, "made")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"judging": JUDGED["judging"][:1] * 2}, "judging 'itself' is there twice"),
        ({"judging": [{**JUDGED["judging"][0], "search": "made/other"}]}, "'made/other'|'made/up'"),
        ({"seconds": {"made/other": 3.0}}, "'made/other'|'made/up'"),
        ({"seconds": None, "evaluations": 5, "read_off": "interpolated"}, "interpolated in time"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Rules.model_validate({**JUDGED, **change})


def test_a_budget_may_differ_by_task():
    rules = Rules.model_validate({**RULES, "tasks": ["a/b", "c/d"], "seconds": {"a/b": 1.0, "c/d": 2.0}})
    assert [rules.budget(task).seconds for task in rules.tasks] == [1.0, 2.0]


def test_a_board_says_where_nothing_is_held_out(make_table, monkeypatch, tmp_path):
    table = make_table()
    described = table.description.model_copy(update={"test": "valid_accuracy"})
    made = TabularBenchmark(Table(described, table.genes, table.epochs, table.metrics, table.columns))
    for module in (outcomes, jobs):
        monkeypatch.setattr(module, "load_benchmark", lambda name, **on: made)
    board = run_board(Rules.model_validate(RULES), tmp_path, tmp_path / "runs")
    assert board.not_held_out == ["made/up"]
    summary = board.summaries["made/up"]["random_search"]
    assert summary.test_regret.mean == pytest.approx(summary.valid_regret.mean)
    save_board(board, tmp_path / "board.h5")
    assert "On made/up the publication has a single result" in markdown_page(
        load_board(tmp_path / "board.h5"), "made"
    )


def test_a_board_with_held_out_results_says_nothing_of_it(played):
    assert played.not_held_out == []
    assert "single result" not in markdown_page(played, "made")
