"""How results are written: fractions in percent, others in their own unit with four significant digits."""

import dataclasses
import math

import pytest

from nasbench_suite import jobs
from nasbench_suite.leaderboards import outcomes
from nasbench_suite.leaderboards.figures import board_figures
from nasbench_suite.leaderboards.play_board import run_board
from nasbench_suite.leaderboards.render import markdown_page
from nasbench_suite.leaderboards.results import load_board, save_board
from nasbench_suite.leaderboards.rules import Rules
from nasbench_suite.leaderboards.scale import Scale, common_unit, percent
from nasbench_suite.leaderboards.statistics import Estimate
from nasbench_suite.tabular import TabularBenchmark

RULES = {
    "title": "Distances",
    "summary": "Made up.",
    "tasks": ["made/up"],
    "evaluations": 20,
    "runs": 8,
    "resamples": 50,
    "strategies": [{"strategy": "random_search"}, {"strategy": "regularized_evolution"}],
}


def test_a_fraction_is_written_in_percent():
    scale = Scale.of("fraction", 0.9)
    assert scale.text(0.73514) == percent(0.73514) == "73.51"
    assert scale.text(math.nan) == "–"
    assert (scale.unit, scale.difference) == ("percent", "percentage points")
    assert scale.smallest == pytest.approx(0.00001)  # of a fraction: a thousandth of a percentage point


@pytest.mark.parametrize(
    ("unit", "typical", "value", "written"),
    [
        ("1", 1.8959, 3.12471, "3.125"),
        ("1", -0.05, -0.0612345, "-0.06123"),
        ("s", 123.4, 7.04, "7.0"),
        ("nats", 12345.6, 12345.6, "12346"),
        ("nats", 0.0, 0.5, "0.500"),
    ],
)
def test_another_unit_has_four_significant_digits_of_a_typical_result(unit, typical, value, written):
    scale = Scale.of(unit, typical)
    assert scale.text(value) == written
    assert scale.factor == 1
    assert scale.unit == scale.difference == ("units of the metric" if unit == "1" else unit)


def test_estimates_are_written_on_the_scale():
    scale = Scale.of("1", 2.0)
    assert scale.spread(Estimate(2.0, 0.25, 1.9, 2.1)) == "2.000 ± 0.250"
    assert scale.span(Estimate(2.0, 0.25, 1.9, 2.1)) == "[1.900, 2.100]"


def test_units_in_common_and_mixed():
    assert common_unit(["percent", "percent"]) == "percent"
    assert common_unit(["percent", "nats"]) == "the unit of the task (percent, nats)"


@pytest.fixture
def distances(make_table, monkeypatch, tmp_path):
    made = TabularBenchmark(make_table(unit="1", direction="min"))
    for module in (outcomes, jobs):
        monkeypatch.setattr(module, "load_benchmark", lambda name, **on: made)
    return run_board(Rules.model_validate(RULES), tmp_path, tmp_path / "runs")


def test_a_board_of_a_metric_that_is_no_fraction_speaks_of_no_percent(distances):
    page = markdown_page(distances, "x")
    best = distances.references["made/up"].best_test
    assert f"Best test in the table {best:.4f}" in page
    results = page.partition("## Ranking")[2].partition("## The data")[0]
    assert "Test regret is the distance, in units of the metric, from the best" in results
    assert "percent" not in results.replace("percentile", "")
    regret = distances.summaries["made/up"]["random_search"].test_regret.mean
    assert f"| {regret:.4f} |" in results


def test_its_figures_are_in_the_unit_of_the_metric(distances):
    for name, figure in board_figures(distances).items():
        assert b"percent" not in figure, name
        if name != "regret-by-seconds.svg":
            assert b"regret (units of the metric)" in figure, name


def test_its_unit_is_kept_with_the_results(distances, tmp_path):
    save_board(distances, tmp_path / "results.h5")
    again = load_board(tmp_path / "results.h5")
    assert again.units == {"made/up": "1"}
    assert again.metrics == {"made/up": "test_accuracy"}
    assert markdown_page(again, "x") == markdown_page(distances, "x")


def test_tasks_of_several_units_are_told_apart(distances):
    board = dataclasses.replace(distances, units={"made/up": "nats"})
    assert board.result_unit == "nats"
    assert "in nats, from the best test result" in markdown_page(board, "x")
