"""Boards of cost models: rules, the protocol, the page; HELP's published files where they are."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.cards import CardError, read_card
from nasbench_suite.content import content_root
from nasbench_suite.hardware.device_table import device_table
from nasbench_suite.leaderboards.cost_board import judge_costs
from nasbench_suite.leaderboards.cost_page import write_cost_board
from nasbench_suite.leaderboards.cost_rules import CostRules, ModelEntry, read_cost_rules
from nasbench_suite.tabular.catalogue import import_tables
from nasbench_suite.tabular.importers.job import no_progress

HOME = content_root() / "leaderboards" / "hardware-help"
RULES = read_card(HOME / "costs.toml", CostRules)


@pytest.fixture
def latencies(shared_data, tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    import_tables("help", [shared_data / "help" / "help_nb201_latency_27dev.npz"])


def rules(*models, **changes):
    return RULES.model_copy(update={"models": [ModelEntry(**entry) for entry in models], **changes})


def test_ten_measurements_are_ahead_of_help_on_its_own_devices(latencies, tmp_path):
    board = judge_costs(rules({"model": "few_shot", "samples": 10}, {"model": "flops_millions"}), no_progress)
    help_row = np.mean(RULES.published.rows["HELP, 10 samples"])
    assert board.means("few_shot, 10 samples").trimmed > 0.95 > help_row
    assert board.means("few_shot, 10 samples").spearman > 0.97
    assert min(found.within_10 for found in board.scores["few_shot, 10 samples"].values()) > 0.4
    published = dict(zip(RULES.unseen, RULES.published.rows["FLOPs"], strict=True))
    found = {device: scores.trimmed for device, scores in board.scores["flops_millions"].items()}
    assert found == pytest.approx(published, abs=0.045)  # HELP's, on cells of its own choice
    assert board.noise["eyeriss"].within_10 == 1.0
    assert board.noise["pixel2"].within_10 < 0.5
    pages = write_cost_board(board, tmp_path, "mine")
    assert {page.name for page in pages} == {"costs.md", "costs.csv", "costs.svg"}


def test_scores_are_those_of_pandas_on_what_was_not_measured(latencies):
    asked = rules({"model": "operation_sums", "samples": 60}, unseen=["raspi4"], seeds=1, published=None)
    board = judge_costs(asked, no_progress)
    predicted, costs = board.shown["raspi4"]
    measured = np.random.default_rng([0, 0]).choice(len(costs), 60, replace=False)
    frame = pd.DataFrame({"predicted": predicted, "costs": costs}).drop(measured)
    inner = frame[frame.costs.between(*frame.costs.quantile([0.1, 0.9]), inclusive="neither")]
    found = board.scores["operation_sums, 60 samples"]["raspi4"]
    assert found.trimmed == pytest.approx(inner.corr("spearman").iloc[0, 1])
    assert found.spearman == pytest.approx(frame.corr("spearman").iloc[0, 1])
    assert found.kendall == pytest.approx(frame.corr("kendall").iloc[0, 1])
    error = (frame.predicted - frame.costs).abs() / frame.costs
    assert (found.within_5, found.within_10) == pytest.approx(((error <= 0.05).mean(), (error <= 0.1).mean()))
    assert np.isnan(found.deviation)


def test_predictions_that_differ_by_rounding_alone_are_ties(latencies):
    asked = rules({"model": "roofline", "samples": 50}, unseen=["fpga"], seeds=1, published=None)
    board = judge_costs(asked, no_progress)
    predicted, costs = board.shown["fpga"]
    measured = np.random.default_rng([0, 0]).choice(len(costs), 50, replace=False)
    digits = [float(f"{value:.9e}") for value in predicted]
    assert len(set(digits)) < len(set(predicted)), "sums in another order have other last digits"
    frame = pd.DataFrame({"predicted": digits, "costs": costs}).drop(measured)
    found = board.scores["roofline, 50 samples"]["fpga"]
    assert found.spearman == pytest.approx(frame.corr("spearman").iloc[0, 1])
    assert found.kendall == pytest.approx(frame.corr("kendall").iloc[0, 1])


@pytest.mark.slow
def test_the_kept_board_is_what_its_rules_make(latencies, tmp_path):
    board = judge_costs(RULES, no_progress)
    write_cost_board(board, tmp_path, "hardware-help")
    kept, made = (pd.read_csv(folder / "costs.csv") for folder in (HOME, tmp_path))
    pd.testing.assert_frame_equal(kept, made, rtol=0, atol=0.005)  # a fit rounds as its processor does


def test_page_and_table_of_the_kept_board_agree():
    lines = list(csv.DictReader((HOME / "costs.csv").read_text().splitlines()))
    page = (HOME / "costs.md").read_text()
    assert {line["model"] for line in lines} == {entry.label for entry in RULES.models}
    for entry in RULES.models:
        values = [float(line["trimmed"]) for line in lines if line["model"] == entry.label]
        row = next(line for line in page.splitlines() if line.startswith(f"| {entry.label} |"))
        shown = [cell.split("±")[0].strip(" *") for cell in row.strip("| ").split("|")[1:]]
        assert [float(cell) for cell in shown] == pytest.approx([*values, np.mean(values)], abs=6e-4)


def test_devices_that_are_not_there_are_refused(latencies):
    with pytest.raises(NasbenchSuiteError, match=r"called 'raspi5'; did you mean raspi4"):
        device_table("help/nats_topology", "latency_ms", ["raspi5"])
    with pytest.raises(NasbenchSuiteError, match="no energy_mj of any device"):
        device_table("help/nats_topology", "energy_mj")
    assert len(device_table("help/nats_topology", "latency_ms").devices) == 27


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('samples = 900\n[[models]]\nmodel = "flops', '[[models]]\nmodel = "flops', "at least one sample"),
        ('"flops_millions"', '"flops_millions"\nsamples = 3', "takes none"),
        ('"operation_sums"\n', '"operation_sums"\nknown_samples = 9\n', "does not know other devices"),
        ('known = ["1080ti_1"', 'known = ["fpga"', "both known and unseen"),
        ("[0.987, ", "[", "has 5 values, not 6"),
    ],
)
def test_rules_that_do_not_fit_together_are_refused(tmp_path, old, new, says):
    text = (HOME / "costs.toml").read_text()
    assert old in text
    (tmp_path / "costs.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(CardError, match=says):
        read_cost_rules(tmp_path)


def test_a_folder_without_rules_names_those_that_have_them(tmp_path):
    assert read_cost_rules("hardware-help")[0] == HOME
    with pytest.raises(NasbenchSuiteError, match="hardware-help"):
        read_cost_rules(Path(tmp_path))
