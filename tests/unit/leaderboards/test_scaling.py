"""Error against compute: tables whose law is known, scikit-learn's and SciPy's figures, and brute force."""

import csv
import io
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import isotonic_regression
from sklearn.metrics import r2_score

from nasbench_suite import NasbenchSuiteError, get_space, load_benchmark
from nasbench_suite.cards import CardError
from nasbench_suite.content import content_root
from nasbench_suite.leaderboards.compute import compute_of
from nasbench_suite.leaderboards.picks import Picks
from nasbench_suite.leaderboards.power_law import PowerLaw
from nasbench_suite.leaderboards.results import load_board
from nasbench_suite.leaderboards.scaling import Asked, scaling_of
from nasbench_suite.leaderboards.scaling_board import judge_scaling
from nasbench_suite.leaderboards.scaling_page import csv_of_scaling, write_scaling
from nasbench_suite.leaderboards.scaling_picks import above_the_curve, picks_for
from nasbench_suite.leaderboards.scaling_rules import read_scaling_rules
from nasbench_suite.tabular import Table, TabularBenchmark
from nasbench_suite.tabular.importers.job import no_progress

HOME = content_root() / "leaderboards" / "scaling"
KNOWN = PowerLaw(0.5, 0.4, 0.06)
FEW = Asked(resamples=40)


@pytest.fixture
def with_columns(make_table):
    """Replace columns of a made-up table, one value per row, and its name or other parts."""

    def build(rows=600, direction="max", drop=(), unit="fraction", task="made/up", **columns):
        table = make_table(rows=rows, repeats=1, epochs=(1,), direction=direction, task=task)
        metrics = {name: metric for name, metric in table.metrics.items() if name not in drop}
        for name in ("valid_accuracy", "test_accuracy"):
            if name in metrics:
                metrics[name] = replace(metrics[name], unit=unit)
        made = {
            name: np.asarray(columns.get(name, table.columns[name][:, 0, 0]), dtype=float)[:, None, None]
            for name in metrics
        }
        roles = {role: "" for role in ("valid", "test") if f"{role}_accuracy" in drop}
        return TabularBenchmark(
            Table(table.description.model_copy(update=roles), table.genes, table.epochs, metrics, made)
        )

    return build


@pytest.fixture
def known(with_columns):
    """A table of 600 cells whose law is `KNOWN`, with other noise by validation than by test."""
    rng = np.random.default_rng(1)
    costs = np.exp(rng.uniform(0, 4, 600))
    valid, test = (KNOWN.errors(costs) * np.exp(0.1 * rng.standard_normal(600)) for _ in range(2))
    return with_columns(params_millions=costs, valid_accuracy=1 - valid, test_accuracy=1 - test)


def test_the_law_of_a_table_is_found_within_its_interval(known):
    scaling = scaling_of(known, "params_millions", Asked(resamples=150))
    assert [judged.role for judged in scaling.judgements] == ["valid", "test"]
    for judged in scaling.judgements:
        for name in "abc":
            low, high = judged.fitted.interval(name)
            assert low < getattr(KNOWN, name) < high
        assert judged.fitted.law.b == pytest.approx(KNOWN.b, abs=0.06)
        cheap, dear = np.quantile(judged.points.costs, [0.05, 0.95])
        expected = KNOWN.errors(cheap) - KNOWN.errors(dear)
        assert judged.worth.size == pytest.approx(expected, abs=0.01)
        assert judged.worth.above == pytest.approx(0.5, abs=0.05)


def test_a_frontier_of_luck_alone_is_worth_something_by_what_chose_it_only(known):
    valid, test = scaling_of(known, "params_millions", FEW).judgements
    assert valid.worth.wiring > 0.02
    assert test.worth.wiring == pytest.approx(0, abs=0.006)


def test_shares_of_variance_are_those_of_sklearn_and_scipy(cora):
    (valid, test) = scaling_of(cora, "params_millions", FEW).judgements
    for judged, column in ((valid, cora.valid_column()), (test, cora.test_column())):
        frame = pd.DataFrame({"cost": judged.points.costs, "accuracy": column})
        by_cost = frame.groupby("cost").accuracy.agg(["mean", "size"])
        rising = isotonic_regression(by_cost["mean"], weights=by_cost["size"]).x
        fitted = pd.Series(rising, index=by_cost.index).loc[frame.cost]
        found = judged.explained
        assert found.isotonic == pytest.approx(r2_score(column, fitted), abs=1e-9)
        law = judged.fitted.law
        assert found.law == pytest.approx(r2_score(column, 1 - law.errors(judged.points.costs)), abs=1e-9)
        assert found.isotonic >= found.law
        assert found.log_isotonic >= found.log_law >= 0
        assert found.spearman == pytest.approx(frame.corr("spearman").iloc[0, 1])


def test_no_other_constants_explain_more_of_the_logarithms(cora):
    (judged, _) = scaling_of(cora, "params_millions", FEW).judgements
    law, logs = judged.fitted.law, np.log(judged.points.errors)

    def squares(one):
        return ((logs - np.log(one.errors(judged.points.costs))) ** 2).sum()

    for change in ({"a": law.a * 1.01}, {"a": law.a * 0.99}, {"b": law.b + 0.01}, {"b": law.b - 0.01}):
        assert squares(replace(law, **change)) > squares(law)


def test_the_frontier_is_the_best_by_validation_of_each_range(known):
    (valid, test) = scaling_of(known, "params_millions", FEW).judgements
    costs = known.table.columns["params_millions"][:, 0, 0]
    errors = {"valid": 1 - known.valid_column(), "test": 1 - known.test_column()}
    edges = np.geomspace(costs.min(), costs.max(), 21)
    expected = []
    for low, high in pairwise(edges):
        inside = np.flatnonzero((costs >= low * (1 - 1e-12)) & (costs < high))
        if len(inside) >= 10:
            expected.append(min(inside, key=lambda row: errors["valid"][row]))
    for judged in (valid, test):
        assert judged.frontier.costs == pytest.approx(costs[expected])
        assert judged.frontier.errors == pytest.approx(errors[judged.role][expected])


def test_what_is_missing_or_makes_no_error_is_left_out_and_counted(with_columns):
    rng = np.random.default_rng(2)
    costs = np.exp(rng.uniform(0, 3, 300))
    accuracies = 1 - KNOWN.errors(costs)
    costs[:7], accuracies[5:12], accuracies[20:23] = np.nan, np.nan, 1.0
    made = with_columns(rows=300, params_millions=costs, valid_accuracy=accuracies, drop=("test_accuracy",))
    (judged,) = scaling_of(made, "params_millions", FEW).judgements
    assert (judged.points.missing, judged.points.faultless, len(judged.points.rows)) == (12, 3, 285)
    assert judged.fitted.law.b == pytest.approx(KNOWN.b, abs=1e-3)


def test_an_error_rate_is_fitted_as_it_is(with_columns):
    costs = np.geomspace(1, 90, 200)
    rates = {f"{role}_accuracy": KNOWN.errors(costs) for role in ("valid", "test")}
    made = with_columns(rows=200, direction="min", params_millions=costs, **rates)
    law = scaling_of(made, "params_millions", FEW).judgements[0].fitted.law
    assert (law.a, law.b, law.c) == pytest.approx((KNOWN.a, KNOWN.b, KNOWN.c), rel=1e-3)


def test_one_metric_that_steers_and_judges_is_fitted_once(with_columns):
    costs = np.geomspace(1, 90, 200)
    made = with_columns(
        rows=200, drop=("test_accuracy",), params_millions=costs, valid_accuracy=1 - KNOWN.errors(costs)
    )
    made.test_metric = made.valid_metric
    assert [judged.role for judged in scaling_of(made, "params_millions", FEW).judgements] == ["valid"]


@pytest.mark.parametrize(
    ("changes", "cost", "says"),
    [
        ({"rows": 19}, "params_millions", "19 architectures of made/up have both a result"),
        ({"params_millions": np.ones(30)}, "params_millions", "there is one cost"),
        (
            {"params_millions": np.r_[0, np.ones(29)]},
            "params_millions",
            "of 1 architectures of made/up is not",
        ),
        ({"unit": "nats"}, "params_millions", r"valid_accuracy of made/up \(nats\) is no fraction"),
        ({"valid_accuracy": np.full(30, 1.2)}, "params_millions", "is no fraction between 0 and 1"),
        ({}, "param_millions", "no metric of made/up called 'param_millions'; did you mean params_millions"),
        ({}, "test_accuracy", "no cost of made/up called 'test_accuracy'"),
        ({}, "valid_accuracy", "better when larger, so it is no cost; choose one of params_millions, train"),
        ({}, "flops_millions", "flops_millions cannot be counted, as inputs of up are not known"),
        ({}, "graph/cora:params_millions", "is of space graph, and made/up of nats_topology"),
    ],
)
def test_what_cannot_be_fitted_is_one_sentence(with_columns, changes, cost, says):
    rows = changes.get("rows", 30)
    fine = {"valid_accuracy": np.linspace(0.5, 0.6, rows), "test_accuracy": np.linspace(0.5, 0.6, rows)}
    with pytest.raises(NasbenchSuiteError, match=says):
        scaling_of(with_columns(**{"rows": rows, **fine, **changes}), cost, FEW)


# -- costs -------------------------------------------------------------------------------------------


def test_a_cost_may_be_a_column_of_another_table(cora):
    citeseer = load_benchmark("graph/citeseer")
    found = compute_of(citeseer, "graph/cora:params_millions")
    same = cora.query(citeseer.table.genes, info=["params_millions"]).info["params_millions"]
    assert np.array_equal(found.values, same)
    assert "graph/cora" in found.origin


@pytest.mark.parametrize(("task", "classes"), [("made/cifar10-valid", 10), ("made/cifar100@12", 100)])
def test_counts_are_of_the_authors_networks_for_the_tasks_data(with_columns, task, classes):
    from nasbench_suite.training.counting import count
    from nasbench_suite.training.networks import build_network, official_skeleton

    made = with_columns(rows=40, task=task, drop=("params_millions",))
    params, flops = (compute_of(made, name) for name in ("params_millions", "flops_millions"))
    assert f"and {classes} classes" in params.origin
    for row in (0, 17):
        network = build_network(
            "nats_topology", made.table.genes[row], official_skeleton("nats_topology", classes=classes)
        )
        counts = count(network, (3, 32, 32))
        assert params.values[row] == pytest.approx(counts.parameters / 1e6)
        assert flops.values[row] == pytest.approx(counts.multiply_adds / 1e6)


# -- picks -------------------------------------------------------------------------------------------


def test_picks_lie_where_brute_force_puts_them(known):
    scaling = scaling_of(known, "params_millions", FEW)
    judged = scaling.judgements[1]
    law = judged.fitted.law
    costs, errors = judged.points.costs, judged.points.errors
    ratios = errors / law.errors(costs)
    in_band = int(np.argmax(np.where(ratios < 1, ratios, 0)))  # just above the curve
    rows, runs = np.array([3, 200, in_band]), np.array([5, 1, 2])
    absent = get_space("nats_topology").decode(np.setdiff1d(np.arange(15_625), [0]))
    absent = absent[known.table.row_index.rows(absent) < 0][:1]
    genes = np.concatenate([known.table.genes[rows], absent])
    picks = {"mine": Picks(genes, np.r_[runs, 4]), "none": Picks(absent, np.array([2]))}
    found = above_the_curve(scaling, judged, known, picks, FEW)
    assert list(found) == ["mine", "none"]
    mine, spread = found["mine"], np.repeat(rows, runs)
    residuals = law.errors(costs[spread]) - errors[spread]
    assert (mine.runs, mine.missing) == (8, 4)
    assert mine.residual.mean == pytest.approx(residuals.mean())
    assert mine.residual.sd == pytest.approx(residuals.std(ddof=1))
    assert mine.residual.low <= mine.residual.mean <= mine.residual.high
    assert mine.above == pytest.approx((residuals > 0).mean())
    band = judged.fitted.band(costs[spread])[0]
    assert mine.above_band == pytest.approx((errors[spread] < band).mean())
    assert mine.above - mine.above_band == pytest.approx(2 / 8)
    assert mine.better_than == pytest.approx(np.mean([(ratios > ratios[row]).mean() for row in spread]))
    frontier = judged.frontier.fitted.law.errors(costs[spread])
    assert mine.below_frontier == pytest.approx((errors[spread] - frontier).mean())
    assert mine.cost == pytest.approx(np.median(costs[spread]))
    mean_of_law = 1 - law.errors(costs).mean()
    assert mine.accuracy - mean_of_law == pytest.approx(mine.residual.mean + mine.by_size)
    assert found["none"].runs == 0
    assert np.isnan(found["none"].residual.mean)


def test_a_strategy_that_picks_above_the_curve_comes_first(known):
    scaling = scaling_of(known, "params_millions", FEW)
    judged = scaling.judgements[0]
    residuals = judged.fitted.law.errors(judged.points.costs) - judged.points.errors
    order = np.argsort(residuals)
    picks = {
        "low": Picks(known.table.genes[order[:5]], np.ones(5, dtype=np.int64)),
        "high": Picks(known.table.genes[order[-5:]], np.ones(5, dtype=np.int64)),
    }
    found = above_the_curve(scaling, judged, known, picks, FEW)
    assert list(found) == ["high", "low"]
    assert (found["high"].above, found["low"].above) == (1, 0)
    assert found["high"].residual.low > 0 > found["low"].residual.high


def test_picks_are_those_of_the_search_that_a_table_judges():
    home = content_root() / "leaderboards" / "nats-topology"
    board = load_board(home / "results.h5")
    searched, picks = picks_for(board, home, "nats_topology/cifar100")
    assert searched == "nats_topology/cifar100@12"
    assert picks is board.picks[searched]
    assert picks_for(board, home, searched)[0] == searched
    with pytest.raises(
        NasbenchSuiteError, match=r"has nothing to do with graph/cora; .* out of nats_topology"
    ):
        picks_for(board, home, "graph/cora")


# -- rules and page ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('cost = "macs_millions"', 'costs = "macs_millions"', "key 'tasks.10.costs' is not known"),
        ('cost = "params_millions"\n[[', 'cost = "flops_millions"\n[[', "by flops_millions is there twice"),
        ("confidence = 0.95", "confidence = 1.0", "less than 1"),
    ],
)
def test_rules_that_do_not_fit_together_are_refused(tmp_path, old, new, says):
    text = (HOME / "scaling.toml").read_text()
    assert old in text
    (tmp_path / "scaling.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(CardError, match=says):
        read_scaling_rules(tmp_path)


def test_a_folder_without_rules_names_those_that_have_them(tmp_path):
    assert read_scaling_rules("scaling")[0] == HOME
    with pytest.raises(NasbenchSuiteError, match="folders that do are scaling"):
        read_scaling_rules(tmp_path)


def kept_lines():
    return pd.read_csv(HOME / "scaling.csv")


def made_again(resamples):
    _, rules = read_scaling_rules("scaling")
    chosen = [entry for entry in rules.tasks if entry.task == "graph/proteins"]
    changes = {"tasks": chosen, "resamples": resamples or rules.resamples}
    board = judge_scaling(rules.model_copy(update=changes), no_progress)
    lines = kept_lines()
    kept = lines[lines.task == "graph/proteins"].reset_index(drop=True)
    return board, pd.read_csv(io.StringIO(csv_of_scaling(board))), kept


def test_the_kept_page_is_what_its_rules_make(data_folder, tmp_path):
    board, made, kept = made_again(20)
    of_resamples = [name for name in kept if name.endswith(("_low", "_high", "_band"))]
    made, kept = (lines.drop(columns=of_resamples) for lines in (made, kept))
    pd.testing.assert_frame_equal(made, kept, rtol=0.02, check_dtype=False)
    written = write_scaling(board, tmp_path, "mine")
    assert {path.name for path in written} == {"scaling.md", "scaling.csv", "scaling.svg"}
    again = write_scaling(board, tmp_path / "again", "mine")
    assert [path.read_bytes() for path in written] == [path.read_bytes() for path in again]


@pytest.mark.slow
def test_the_kept_intervals_are_what_the_rules_make(data_folder):
    _, made, kept = made_again(None)
    whole = kept.row != "frontier"  # of ten architectures, intervals depend on rounding
    pd.testing.assert_frame_equal(made[whole], kept[whole], rtol=0.02, check_dtype=False)


def test_page_and_table_of_the_kept_board_agree():
    _, rules = read_scaling_rules("scaling")
    lines, page = kept_lines(), (HOME / "scaling.md").read_text()
    laws = lines[lines.row == "all"]
    together = [pair for pair, _ in groupby(zip(laws.task, laws.cost, strict=True))]
    assert sorted(together) == sorted({(e.task, e.cost) for e in rules.tasks})
    for line in laws.itertuples():
        shown = f"| {line.task} | {line.cost} | {line.metric} | {line.r2_law:.3f} | {line.r2_isotonic:.3f} |"
        assert shown in page
        assert line.r2_isotonic >= line.r2_law
    picks = lines[lines.residual.notna()]
    for line in picks.itertuples():
        interval = f"{100 * line.residual:.2f} ({100 * line.residual_low:.2f} to"
        assert f"| {line.row} | {line.runs:.0f} | {interval}" in page
    assert (HOME / "scaling.svg").stat().st_size < 310_000


def test_the_csv_has_one_line_for_each_law_frontier_and_strategy():
    lines = list(csv.DictReader((HOME / "scaling.csv").read_text().splitlines()))
    proteins = [line["row"] for line in lines if line["task"] == "graph/proteins" and line["role"] == "test"]
    assert proteins[:2] == ["all", "frontier"]
    assert len(proteins) == 2 + 7
