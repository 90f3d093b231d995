"""The checklist of a board, and what its pages say of differences."""

import dataclasses

import pytest

from nasbench_suite import jobs
from nasbench_suite.leaderboards import outcomes
from nasbench_suite.leaderboards.checklist import checklist
from nasbench_suite.leaderboards.figures import board_figures
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.render import markdown_page, write_pages
from nasbench_suite.leaderboards.results import load_board, save_board
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.tabular import TabularBenchmark

STRATEGIES = ("random_search", "regularized_evolution", "local_search")
RULES = {
    "title": "Three tasks",
    "summary": "Made up.",
    "tasks": ["made/a", "made/b", "made/c"],
    "evaluations": 30,
    "runs": 12,
    "resamples": 50,
    "strategies": [{"strategy": name} for name in STRATEGIES],
}


@pytest.fixture(scope="module")
def tables(make_table):
    return {
        f"made/{name}": TabularBenchmark(make_table(rows=None, task=f"made/{name}", seed=seed, repeats=1))
        for seed, name in enumerate("abc")
    }


@pytest.fixture(scope="module")
def played(tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checklist")
    with pytest.MonkeyPatch.context() as patch:
        for module in (outcomes, jobs):
            patch.setattr(module, "load_benchmark", lambda name, **on: tables[name])
        return run_board(Rules.model_validate(RULES), folder, folder / "runs")


def verdicts(board):
    return {answer.question: answer for answer in checklist(board)}


def with_strategies(board, entries):
    labels = [entry.get("label", entry["strategy"]) for entry in entries]
    summaries = {
        column: dict.fromkeys(labels, of_column["random_search"])
        for column, of_column in board.summaries.items()
    }
    rules = board.rules.model_validate({**RULES, "strategies": entries})
    return dataclasses.replace(board, rules=rules, summaries=summaries, finals={})


def test_every_question_has_an_answer_and_a_reason(played):
    answers = checklist(played)
    assert len(answers) == 16
    assert {answer.part for answer in answers} == {
        *("releasing code", "comparing methods", "reporting details"),
    }
    assert all(answer.verdict in ("yes", "partly", "no") and answer.reason for answer in answers)


@pytest.mark.parametrize(
    ("question", "strategies", "verdict"),
    [
        ("Is random search there?", ["random_search"], "yes"),
        ("Is random search there?", ["genetic"], "no"),
        ("Are there ablations?", ["genetic", "random_search"], "no"),
        ("Is the code of the search methods released?", ["genetic"], "yes"),
        ("Is the code of the search methods released?", ["mine.py:Mine"], "partly"),
        ("Are hardware, versions and run times out of the comparison?", ["genetic"], "yes"),
        ("Are hardware, versions and run times out of the comparison?", ["genetic", "darts"], "partly"),
    ],
)
def test_answers_follow_from_what_was_played(played, question, strategies, verdict):
    entries = [{"strategy": name, "label": name.rpartition(":")[2]} for name in strategies]
    assert verdicts(with_strategies(played, entries))[question].verdict == verdict


def test_two_settings_of_a_strategy_are_an_ablation(played):
    entries = [{"strategy": "genetic", "label": "a"}, {"strategy": "genetic", "label": "b"}]
    answer = verdicts(with_strategies(played, entries))["Are there ablations?"]
    assert answer.verdict == "yes"
    assert "genetic" in answer.reason


def test_tables_are_known_by_their_datasheets(played):
    questions = (
        "Is the code released that trains the final architectures?",
        "Are hyperparameters and seeds of the final trainings known?",
    )
    for task, expected in (
        ("made/a", ("no", "partly")),
        ("nats_topology/mnist1d", ("yes", "yes")),
        ("gan/mnist1d", ("yes", "yes")),
        ("graph/cora", ("no", "yes")),
    ):
        rules = played.rules.model_validate({**RULES, "tasks": [task]})
        parts = {"summaries": {task: played.summaries["made/a"]}, "seconds": {task: played.seconds["made/a"]}}
        answers = verdicts(dataclasses.replace(played, rules=rules, **parts))
        assert tuple(answers[q].verdict for q in questions) == expected, task


def test_few_runs_are_named(played):
    summaries = {
        column: {
            label: dataclasses.replace(s, runs=3 if label == "local_search" else 12)
            for label, s in of_column.items()
        }
        for column, of_column in played.summaries.items()
    }
    question = "Are there several runs, and are their seeds known?"
    assert verdicts(played)[question].verdict == "yes"
    answer = verdicts(dataclasses.replace(played, summaries=summaries))[question]
    assert answer.verdict == "partly"
    assert "local_search (3)" in answer.reason


def test_a_page_holds_every_strategy_against_the_best(played):
    page = markdown_page(played, "x")
    for task in played.columns:
        section = page.partition(f"### {task}\n")[2].partition("\n### ")[0]
        assert section.count("| best | | | | |") == 1
        for label, one in played.differences[task].items():
            mean = played.scales[task].text(one.behind.mean)
            assert (
                f"| {label} | {played.scales[task].text(played.anytime(task, label))} | {mean} |" in section
            )


def test_a_page_says_when_there_are_too_few_tasks(played):
    page = markdown_page(played, "x")
    assert "Friedman's test that all strategies are the same over 3 tasks" in page
    # Three pairs, three tasks: nothing below 3 * 2^-2; log2(3 / 0.05) + 1 = 6.9.
    assert "with 3 no pair can reach less than p = 0.750 after correction for 3 pairs" in page
    assert "it takes 7 tasks before one could be below 0.05" in page
    assert "within 0.1 percentage points" in page
    assert b"local_search" in board_figures(played)["critical-differences.svg"]


def test_what_runs_ended_with_is_kept(played, tmp_path):
    save_board(played, tmp_path / "results.h5")
    again = load_board(tmp_path / "results.h5")
    assert again.differences == played.differences
    assert markdown_page(again, "x") == markdown_page(played, "x")
    finals = played.finals["made/b"]["local_search"]
    assert finals.test_regret.mean() == pytest.approx(
        played.summaries["made/b"]["local_search"].test_regret.mean
    )


def test_a_board_of_before_that_was_kept_is_shown_without(played, tmp_path):
    old = dataclasses.replace(played, finals={})
    assert "runs needed" not in markdown_page(old, "x")
    assert "## Checklist" in markdown_page(old, "x")
    assert {path.name for path in write_pages(old, tmp_path, "x")} >= {"board.md", "board.html"}
    html = (tmp_path / "board.html").read_text()
    assert "Runs needed" not in html
    write_pages(played, tmp_path, "x")
    html = (tmp_path / "board.html").read_text()
    assert html.count('aria-label="Differences on made/') == 3


def test_the_region_of_equivalence_is_the_rules(played):
    rules = played.rules.model_copy(update={"rope": 0.02})
    assert dataclasses.replace(played, rules=rules).ropes.tolist() == [0.02] * 3
    other = dataclasses.replace(played, units=dict.fromkeys(played.columns, "1"))
    best = [played.references[task].best_test for task in played.columns]
    assert other.ropes == pytest.approx([0.01 * value for value in best])
