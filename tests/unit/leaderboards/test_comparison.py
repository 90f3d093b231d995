"""A board played again, beside the kept one: by hand, and by boards that differ in one known thing."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import jobs
from nasbench_suite.leaderboards import outcomes
from nasbench_suite.leaderboards.comparison import compare, departures, made_otherwise
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.processor import processor
from nasbench_suite.tabular import TabularBenchmark

HOME = Path("home")
RULES = {
    "title": "Made up",
    "summary": "Made up.",
    "tasks": ["made/up"],
    "evaluations": 20,
    "runs": 12,
    "seed": 7,
    "repeat": "random",
    "resamples": 50,
    "strategies": [{"strategy": "random_search"}, {"strategy": "regularized_evolution"}],
}


@pytest.fixture
def play(make_table, monkeypatch, tmp_path):
    made = TabularBenchmark(make_table())
    for module in (outcomes, jobs):
        monkeypatch.setattr(module, "load_benchmark", lambda name, **on: made)

    def play(work="runs", **changes):
        return run_board(Rules.model_validate(RULES | changes), tmp_path, tmp_path / work)

    return play


@pytest.fixture
def kept(play):
    return play()


def with_finals(board, label, regrets):
    """Return the board with other regrets of one strategy, and a mean that belongs to them."""
    summary, finals = board.summaries["made/up"][label], board.finals["made/up"][label]
    mean = summary.test.mean - float(np.mean(regrets - finals.test_regret))
    other = replace(summary, test=replace(summary.test, mean=mean))
    return replace(
        board,
        summaries={"made/up": board.summaries["made/up"] | {label: other}},
        finals={"made/up": board.finals["made/up"] | {label: replace(finals, test_regret=regrets)}},
    )


def test_a_board_played_again_is_equal(play, kept):
    again = play(work="again")
    assert departures(again, kept) == []
    assert compare(again, kept, HOME) == "all 2 results are equal, to the last digit, to those kept in home."


def test_other_rules_are_not_compared(play, kept):
    assert "rules have changed" in compare(play(work="more", runs=14), kept, HOME)


def test_differences_are_in_standard_errors_of_pairs_of_runs(kept):
    old = kept.finals["made/up"]["random_search"].test_regret
    new = old + np.random.default_rng(0).normal(0.01, 0.02, size=len(old))
    (found,) = departures(with_finals(kept, "random_search", new), kept)
    assert (found.label, found.column) == ("random_search", "made/up")
    assert found.now != found.kept
    assert found.errors == pytest.approx(abs(stats.ttest_rel(new, old).statistic))
    said = compare(with_finals(kept, "random_search", new), kept, HOME)
    assert said.startswith(
        f"1 of 2 results differ from those kept in home, by up to {found.errors:.1f} standard errors: "
        f"random_search on made/up ({found.now}, kept {found.kept}). "
    )


def test_what_has_no_standard_error_is_told_without(kept):
    shifted = kept.finals["made/up"]["random_search"].test_regret + 0.5
    for board in (with_finals(kept, "random_search", shifted), replace(kept, finals={})):
        other = replace(board, summaries=with_finals(kept, "random_search", shifted).summaries)
        (found,) = departures(other, kept)
        assert np.isnan(found.errors)
        assert "standard errors" not in compare(other, kept, HOME)


def test_what_parts_two_boards_is_named(kept):
    other = with_finals(kept, "random_search", kept.finals["made/up"]["random_search"].test_regret + 0.5)
    assert compare(other, kept, HOME).endswith("so the code has changed.")
    elsewhere = replace(other, versions=kept.versions | {"processor": "Abacus"})
    assert made_otherwise(elsewhere, kept) == {"processor": ("Abacus", processor())}
    assert f"played with processor Abacus (kept: {processor()}), which may be why" in compare(
        elsewhere, kept, HOME
    )
    before = replace(kept, versions={n: v for n, v in kept.versions.items() if n != "processor"})
    assert f"processor {processor()} (kept: not recorded)" in compare(other, before, HOME)
    with_another = replace(kept, versions=kept.versions | {"submission walker": "10 played again"})
    assert made_otherwise(kept, with_another) == {}
    tables = replace(other, versions=kept.versions | {"table made/up": "another"})
    assert compare(tables, kept, HOME).endswith("The kept board was played on other tables: made/up.")


def test_a_board_says_what_its_records_were_made_with(play, kept, monkeypatch, tmp_path):
    assert kept.versions["processor"] == processor()
    monkeypatch.setattr("nasbench_suite.blocks.processor", lambda: "Abacus")
    assert play().versions["processor"] == processor()  # its records are taken up, and were played there
    shutil.rmtree(tmp_path / "runs" / "made-up" / "random_search")
    assert play().versions["processor"] == " and ".join(sorted(["Abacus", processor()]))
