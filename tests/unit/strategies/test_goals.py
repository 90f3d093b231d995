"""Objectives and constraints by name: what they read and refuse, what a reward makes of a violation."""

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.benchmark import Evaluations, Metric
from nasbench_suite.strategies import get_strategy
from nasbench_suite.strategies.catalogue import constructor
from nasbench_suite.strategies.constraint import Constraint, check_reachable, total_violation
from nasbench_suite.strategies.genetic import Genetic
from nasbench_suite.strategies.nsga2 import Nsga2
from nasbench_suite.strategies.objective import Objective
from nasbench_suite.strategies.single_run import SideBySide, SingleRunStrategy

INF = np.inf
SPACE = get_space("nats_topology")
METRICS = {
    "accuracy": Metric("accuracy", "fraction", "max", "valid"),
    "rate": Metric("rate", "1", "max", "info"),
    "latency_ms": Metric("latency_ms", "ms", "min", "info"),
    "secret": Metric("secret", "fraction", "max", "test"),
}
FOUND = Evaluations(np.array([0.5, np.nan, 0.2]), info={"latency_ms": np.array([4.0, 2.0, np.nan])})


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("valid", "valid"),
        ("accuracy", "valid"),
        ("latency_ms", "min latency_ms"),
        ("rate", "max rate"),
        ("min rate", "min rate"),
        ("min accuracy", "min valid"),
    ],
)
def test_directions_are_the_metrics_own_unless_they_are_said(text, resolved):
    assert Objective.parse(text).resolved(METRICS).text == resolved


@pytest.mark.parametrize("text", ["", "min", "smallest latency_ms", "a b c"])
def test_what_is_no_objective_is_refused(text):
    with pytest.raises(NasbenchSuiteError, match="not understood"):
        Objective.parse(text)


def test_test_metrics_and_unknown_ones_are_no_objectives():
    for name in ("secret", "latency"):
        with pytest.raises(NasbenchSuiteError, match="no objective"):
            Objective.parse(name).resolved(METRICS)
    with pytest.raises(NasbenchSuiteError, match="needs a direction"):
        Objective.parse("latency_ms").values(FOUND)


def test_values_are_oriented_and_missing_is_worst():
    assert Objective.parse("valid").values(FOUND).tolist() == [0.5, -INF, 0.2]
    assert Objective.parse("min valid").values(FOUND).tolist() == [-0.5, -INF, -0.2]
    assert Objective.parse("min latency_ms").values(FOUND).tolist() == [-4.0, -2.0, -INF]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latency_ms<=3", [1 / 3, 0.0, INF]),
        ("latency_ms <= 4 ms", [0.0, 0.0, INF]),
        ("latency_ms >= 5", [0.2, 0.6, INF]),
        ("valid >= 0.4", [0.0, INF, 0.5]),
        ("latency_ms <= 0", [4.0, 2.0, INF]),
    ],
)
def test_violations_are_shares_of_the_limit(text, expected):
    constraint = Constraint.parse(text)
    assert constraint.violations(constraint.values(FOUND)) == pytest.approx(expected)
    assert Constraint.parse(constraint.text) == constraint


@pytest.mark.parametrize(
    "text", ["latency_ms", "latency_ms < 3", "latency_ms <= x", "latency_ms <= nan", "<= 3"]
)
def test_what_is_no_constraint_is_refused(text):
    with pytest.raises(NasbenchSuiteError, match="not understood"):
        Constraint.parse(text)


def test_a_constraint_in_another_unit_is_refused():
    with pytest.raises(NasbenchSuiteError, match="is in s, but latency_ms is in ms"):
        Constraint.parse("latency_ms <= 0.003 s").check(METRICS)
    with pytest.raises(NasbenchSuiteError, match="did you mean latency_ms"):
        Constraint.parse("latency <= 3").check(METRICS)
    Constraint.parse("latency_ms <= 3 ms").check(METRICS)


def test_violations_add_up():
    both = (Constraint.parse("latency_ms <= 2"), Constraint.parse("valid >= 0.75"))
    assert total_violation(both, FOUND) == pytest.approx([1 + 1 / 3, INF, INF])
    assert total_violation((), FOUND).tolist() == [0, 0, 0]


def test_who_misses_a_constraint_is_behind_all_that_keep_to_it():
    """Deb's rule with a floor of 0, and of the smallest reward that the run has seen."""
    strategy = Genetic(SPACE, runs=3, constraints=["latency_ms <= 2"])
    info = {"latency_ms": np.array([1.0, 3.0, np.nan])}
    assert strategy.rewards(Evaluations(np.array([0.1, 0.9, 0.9]), info=info)).tolist() == [0.1, -0.5, -INF]
    loss = Evaluations(
        np.array([0.1, 0.9, 5.0]), info={"latency_ms": np.array([4.0, 1.0, 2.0])}, maximise=False
    )
    assert strategy.rewards(loss).tolist() == [-0.1 - 1.0, -0.9, -5.0]
    again = Evaluations(np.full(3, 0.2), info={"latency_ms": np.full(3, 3.0)}, maximise=False)
    assert strategy.rewards(again) == pytest.approx([-0.2 - 0.5, -0.9 - 0.5, -5.0 - 0.5])


def test_strategies_say_what_they_want_to_be_told():
    strategy = Nsga2(
        SPACE, reward="valid - rate", objectives=["valid", "min latency_ms@x"], constraints=["size <= 1"]
    )
    assert strategy.metrics == ("latency_ms@x", "rate", "size")


def test_goals_that_a_strategy_cannot_have_are_refused():
    with pytest.raises(NasbenchSuiteError, match="genetic has one objective"):
        Genetic(SPACE, objectives=["valid", "min latency_ms"])
    with pytest.raises(NasbenchSuiteError, match="twice"):
        Nsga2(SPACE, objectives=["valid", "min latency_ms", "max latency_ms"])
    with pytest.raises(NasbenchSuiteError, match="pnas has one objective"):
        constructor(get_strategy("pnas"))(SPACE, objectives=["valid"])
    with pytest.raises(NasbenchSuiteError, match="Frozen does not learn from results"):
        SideBySide(Frozen, SPACE, constraints=["size <= 1"])


class Frozen(SingleRunStrategy):
    uses_results = False

    def propose(self):
        return self.space.sample(self.rng, 1)[0]

    def observe(self, genes, score):
        pass


def test_a_class_for_several_objectives_has_to_take_them():
    class Deaf(Frozen):
        multi_objective = True

    strategy = SideBySide(Deaf, SPACE, objectives=["valid", "min latency_ms"])
    with pytest.raises(NasbenchSuiteError, match="Deaf is multi_objective, so it is told by observe_values"):
        strategy.tell(strategy.ask(), Evaluations(np.zeros(1), info={"latency_ms": np.ones(1)}))


def test_constraints_that_nobody_keeps_to_name_the_nearest_value(cora):
    with pytest.raises(NasbenchSuiteError, match=r"smallest value there is 0\.\d+") as refused:
        check_reachable((Constraint.parse("params_millions <= 1e-6"),), cora)
    least = cora.query(cora.table.genes, info=["params_millions"]).info["params_millions"].min()
    assert f"{least:.6g}" in str(refused.value)
    with pytest.raises(NasbenchSuiteError, match="largest value"):
        check_reachable((Constraint.parse("valid >= 0.99"),), cora)
    few = cora.query(cora.table.genes, info=["params_millions"])
    best = np.nanmax(few.valid)
    together = (Constraint.parse(f"valid >= {best}"), Constraint.parse(f"params_millions <= {least}"))
    with pytest.raises(NasbenchSuiteError, match="at once"):
        check_reachable(together, cora)
    check_reachable((Constraint.parse("params_millions <= 1"),), cora)
