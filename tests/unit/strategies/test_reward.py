"""Reward formulas: arithmetic against NumPy, and nothing but arithmetic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.strategies import Reward


@pytest.fixture
def evaluations():
    rng = np.random.default_rng(0)
    info = {"params_millions": rng.uniform(0.1, 5, 40), "latency_seconds": rng.uniform(1e-3, 1, 40)}
    valid = rng.random(40)
    valid[::7] = np.nan
    return Evaluations(valid, info=info)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("valid", lambda v, p, t: v),
        ("-valid", lambda v, p, t: -v),
        ("valid - 0.02 * log(params_millions)", lambda v, p, t: v - 0.02 * np.log(p)),
        ("valid * (latency_seconds / 0.5) ** -0.07", lambda v, p, t: v * (t / 0.5) ** -0.07),
        ("sqrt(valid) + exp(-params_millions) / 2", lambda v, p, t: np.sqrt(v) + np.exp(-p) / 2),
        ("1 - 2 - valid", lambda v, p, t: -1 - v),
        ("2 ** 3 ** valid", lambda v, p, t: 2 ** (3**v)),
        ("-valid ** 2", lambda v, p, t: -(v**2)),
        ("valid - params_millions * latency_seconds", lambda v, p, t: v - p * t),
    ],
)
def test_formulas_are_arithmetic(evaluations, formula, expected):
    found = Reward(formula)(evaluations)
    value = expected(
        evaluations.valid, evaluations.info["params_millions"], evaluations.info["latency_seconds"]
    )
    np.testing.assert_allclose(found, np.where(np.isnan(value), -np.inf, value), rtol=1e-14)
    assert not Reward(formula).undefined(evaluations).any()  # what is missing is not undefined


def test_costs_of_devices_are_names_in_a_formula():
    reward = Reward("valid * (latency_ms@1080ti_1 / 5) ** -0.07 - 2 * latency_ms@raspi4")
    assert reward.metrics == ("latency_ms@1080ti_1", "latency_ms@raspi4")
    info = {"latency_ms@1080ti_1": np.array([10.0]), "latency_ms@raspi4": np.array([0.25])}
    found = reward(Evaluations(np.array([0.8]), info=info))
    assert found == pytest.approx([0.8 * 2.0**-0.07 - 0.5])
    for text in ("valid - latency_ms @ raspi4", "valid - a@b@c", "valid - latency_ms@"):
        with pytest.raises(NasbenchSuiteError, match="reward"):
            Reward(text)


def test_the_metrics_of_a_formula_are_what_a_query_has_to_bring():
    assert Reward("valid - log(params_millions) * latency_seconds").metrics == (
        "latency_seconds",
        "params_millions",
    )
    assert Reward("valid").metrics == Reward("").metrics == ()


@pytest.mark.parametrize("maximise", [True, False])
def test_no_formula_is_the_metric_in_its_own_direction(maximise):
    evaluations = Evaluations(np.array([0.5, np.nan, 0.25]), maximise=maximise)
    sign = 1 if maximise else -1
    assert Reward()(evaluations).tolist() == [0.5 * sign, -np.inf, 0.25 * sign]


@pytest.mark.parametrize(
    ("formula", "undefined"),
    [
        ("log(valid - 2)", [True, False, True]),
        ("valid + 0 / (valid - valid)", [True, False, True]),
        ("1 / (valid - 0.5)", [True, False, False]),
        ("sqrt(-valid)", [True, False, True]),
        ("exp(4000 * valid - 1500)", [False, False, False]),
        ("exp(4000 * valid - 1200)", [True, False, False]),  # beyond what a number holds
    ],
)
def test_what_is_no_finite_number_is_minus_infinity_and_undefined(formula, undefined):
    evaluations = Evaluations(np.array([0.5, np.nan, 0.25]))
    assert np.isneginf(Reward(formula)(evaluations)).tolist() == [undefined[0], True, undefined[2]]
    assert Reward(formula).undefined(evaluations).tolist() == undefined


@pytest.mark.parametrize(
    "formula",
    [
        "valid + __import__('os').system('touch sentinel')",
        "valid + open('sentinel', 'w').write('x')",
        "valid.__class__",
        "valid + params_millions.real",
        "valid[0]",
        "[valid]",
        "(valid, 1)",
        "{1: valid}",
        "lambda: valid",
        "valid if valid else 1",
        "valid > 1",
        "valid and 1",
        "not valid",
        "+valid",
        "~valid",
        "valid // 2",
        "valid % 2",
        "valid @ valid",
        "valid | 1",
        "valid << 3",
        "eval(valid)",
        "log(valid, 2)",
        "log(valid, base=2)",
        "log(*valid)",
        "log()",
        "abs(valid)",
        "np.log(valid)",
        "valid + 'a'",
        "valid + 1j",
        "valid + None",
        "valid + ...",
        "valid + 1e999",
        "(x := valid)",
        "valid; valid",
        "x = valid",
        "import os",
        "valid +",
        "valid valid",
        "valid\nvalid",
        "f'{valid}'",
        "[valid for valid in [1]]",
        "await valid",
    ],
)
def test_anything_but_arithmetic_is_refused_and_not_run(tmp_path, monkeypatch, formula):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NasbenchSuiteError, match="reward"):
        Reward(formula)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("formula", ["1", "params_millions", "log(2) * latency_seconds"])
def test_a_formula_without_the_validation_metric_is_refused(formula):
    with pytest.raises(NasbenchSuiteError, match="does not use valid"):
        Reward(formula)


@pytest.mark.parametrize(
    "formula", ["valid + 1" + 400 * "0", 100_000 * "-" + "valid", "+".join(["valid"] * 100_000)]
)
def test_absurd_formulas_are_refused(formula):
    with pytest.raises(NasbenchSuiteError):
        Reward(formula)


@given(text=st.text(alphabet="valid+-*/() 0123456789.eloghxp_sqrt,[]:=<>\n", max_size=30))
def test_no_text_raises_anything_but_the_suites_error(text):
    try:
        reward = Reward(text)
    except NasbenchSuiteError:
        return
    if not reward.metrics:
        assert reward(Evaluations(np.array([0.5, np.nan]))).shape in ((2,), ())
