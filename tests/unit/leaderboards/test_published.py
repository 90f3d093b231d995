"""A board beside published numbers: differences, standard errors and verdicts against hand arithmetic."""

import math
from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite.leaderboards.board import Board
from nasbench_suite.leaderboards.outcomes import Reference
from nasbench_suite.leaderboards.published import compare
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.leaderboards.statistics import Curve, Estimate, Reached, Summary

PUBLISHED = {
    "source": "Somebody (2020)",
    "certainty": "Sure.",
    "runs": 500,
    "protocol": "Theirs.",
    "mean_tolerance": 0.1,
    "sd_tolerance": 0.2,
    "results": [{"strategy": "random_search", "judged": "a/b", "valid": [90.0, 0.5], "test": [92.0, 0.4]}],
}
RULES = {
    "title": "T",
    "summary": "S",
    "tasks": ["a/b"],
    "strategies": [{"strategy": "random_search"}],
    "evaluations": 9,
}


def board(valid=(0.9005, 0.0052), test=(0.9192, 0.0039), best_test_seen=(0.95, 0.001), **published):
    nothing = Curve(np.zeros(0), np.zeros(0), np.zeros(0))
    estimates = [Estimate(mean, sd, mean, mean) for mean, sd in (valid, test, best_test_seen, test, valid)]
    summary = Summary(100, *estimates, Reached(1, 1), Reached(1, 1), nothing, nothing, nothing)
    return Board(
        rules=Rules.model_validate({**RULES, "published": {**PUBLISHED, **published}}),
        references={"a/b": Reference(1, 1, 1, 1, True)},
        summaries={"a/b": {"random_search": summary}},
        evaluations=np.arange(1, 10),
        seconds={"a/b": np.zeros(0)},
        metrics={"a/b": "test_accuracy"},
        units={"a/b": "fraction"},
        versions={},
    )


def test_numbers_within_the_tolerances_agree():
    valid, test = compare(board())
    assert (valid.quantity, test.quantity) == ("valid", "test")
    assert (valid.published, valid.ours) == ("90.00 ± 0.50", "90.05 ± 0.52")
    assert valid.difference == pytest.approx(0.05)
    assert valid.standard_error == pytest.approx(math.sqrt(0.52**2 / 100 + 0.5**2 / 500))
    assert test.difference == pytest.approx(-0.08)
    assert valid.agrees
    assert test.agrees
    assert test.verdict == "agrees"


def test_a_mean_that_is_off_is_named():
    valid, test = compare(board(valid=(0.9012, 0.005)))
    assert valid.verdict == "the mean is +0.12 off (tolerance 0.1)"
    assert test.agrees


@pytest.mark.parametrize(("sd", "ratio"), [(0.0062, "1.24"), (0.0038, "0.76")])
def test_a_spread_that_is_off_is_named(sd, ratio):
    valid, _ = compare(board(valid=(0.9, sd)))
    assert valid.mean_agrees
    assert valid.verdict == f"the spread is {ratio} times the published one"


def test_spreads_are_compared_only_where_that_is_asked_and_published():
    assert compare(board(valid=(0.9, 0.1), sd_tolerance=None))[0].agrees
    mean_only = [{"strategy": "random_search", "judged": "a/b", "test": [92.0]}]
    (test,) = compare(board(test=(0.92, 0.1), results=mean_only))
    assert test.agrees
    assert test.published == "92.00"
    assert test.standard_error == pytest.approx(10 / math.sqrt(100))


def test_a_rounded_number_is_not_a_difference():
    # 90.004 would be printed as 90.00, so a tolerance of 0.1 admits what lies 0.105 away.
    assert compare(board(valid=(0.90104, 0.005)))[0].agrees
    assert not compare(board(valid=(0.90106, 0.005)))[0].agrees


def test_what_chose_by_test_is_compared_with_the_best_test_seen():
    _, test = compare(board(chosen_by="test", mean_tolerance=3.1, sd_tolerance=None))
    assert test.mean == pytest.approx(95.0)
    assert test.agrees


def test_tolerances_may_differ_by_column_and_must_be_for_its_columns():
    assert compare(board(valid=(0.9012, 0.005), mean_tolerance={"a/b": 0.2}))[0].agrees
    with pytest.raises(ValueError, match="tolerances are for"):
        board(mean_tolerance={"a/c": 0.2})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"strategy": "reinforce", "judged": "a/b"}, "'reinforce' is not one of the board's labels"),
        ({"strategy": "random_search", "judged": "x/y"}, "'x/y' is not one of the board's"),
        ({"strategy": "random_search", "judged": "a/b", "test": [1.0, 2.0, 3.0]}, "mean, standard deviation"),
    ],
)
def test_published_rows_must_belong_to_the_board(row, message):
    with pytest.raises(ValueError, match=message):
        board(results=[row])


def test_what_was_not_played_or_not_published_is_not_compared():
    made = board()
    assert compare(replace(made, skipped={"random_search": "no curves"})) == []
    assert compare(replace(made, rules=Rules.model_validate(RULES))) == []
