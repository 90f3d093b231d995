"""Power laws with a floor: known laws, curve_fit of SciPy, straight lines, coverage over repeated draws."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.leaderboards.power_law import PowerLaw, bootstrap_power_law, fit_power_law

KNOWN = PowerLaw(0.6, 0.45, 0.07)


def drawn(rng, n, law=KNOWN, noise=0.15):
    costs = np.exp(rng.uniform(-1, 5, n))
    return costs, law.errors(costs) * np.exp(noise * rng.standard_normal(n))


def log_law(costs, log_a, b, c):
    return np.log(np.exp(log_a) * costs**-b + c)


@pytest.mark.parametrize(
    "law", [KNOWN, PowerLaw(0.02, 1.7, 0.3), PowerLaw(3.0, 0.2, 0.0), PowerLaw(0.25, 0.0, 0.0)]
)
def test_a_law_without_noise_is_found(law):
    costs = np.geomspace(0.3, 200, 40)
    found = fit_power_law(costs, law.errors(costs))
    assert (found.a, found.b, found.c) == pytest.approx((law.a, law.b, law.c), rel=1e-4, abs=1e-7)


def test_the_fit_is_that_of_curve_fit_on_logarithms():
    costs, errors = drawn(np.random.default_rng(3), 400)
    costs = np.round(costs, 1) + 0.1  # many architectures of one cost, as tables have them
    (log_a, b, c), _ = curve_fit(log_law, costs, np.log(errors), p0=(-1, 0.3, 0.02))
    found = fit_power_law(costs, errors)
    assert (found.a, found.b, found.c) == pytest.approx((np.exp(log_a), b, c), rel=1e-4)


def test_without_a_floor_the_law_is_the_straight_line_of_least_squares():
    rng = np.random.default_rng(4)
    steps = rng.uniform(0, 4, 300)
    logs = -1 - 0.3 * steps - 0.08 * steps**2 + 0.05 * rng.standard_normal(300)  # bends down: no floor
    slope, offset = np.polyfit(steps, logs, 1)
    found = fit_power_law(np.exp(steps), np.exp(logs))
    assert (found.a, found.b, found.c) == pytest.approx((np.exp(offset), -slope, 0), rel=1e-5)
    assert found.c == 0


def test_errors_that_rise_with_the_cost_have_no_law_but_their_mean():
    costs = np.geomspace(1, 50, 100)
    found = fit_power_law(costs, 0.1 * costs**0.2)
    assert (found.b, found.c) == (0, 0)
    assert found.a == pytest.approx(np.exp(np.log(0.1 * costs**0.2).mean()))


def test_the_unit_of_the_cost_changes_a_alone():
    costs, errors = drawn(np.random.default_rng(5), 300)
    millions, ones = fit_power_law(costs, errors), fit_power_law(1e6 * costs, errors)
    assert (ones.b, ones.c) == pytest.approx((millions.b, millions.c), rel=1e-4)
    assert ones.a == pytest.approx(millions.a * 1e6**millions.b, rel=1e-2)


def test_intervals_cover_the_known_law_as_often_as_they_say():
    rng = np.random.default_rng(6)
    draws = 40
    found = [
        bootstrap_power_law(*drawn(rng, 100), confidence=0.9, resamples=60, seed=draw)
        for draw in range(draws)
    ]
    for place, name in enumerate("abc"):
        truth = getattr(KNOWN, name)
        ends = np.array([one.interval(name) for one in found])
        covered = ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).mean()
        assert 0.75 <= covered < 1, name  # 0.9, by three deviations of 40 draws
        deviation = np.std([getattr(one.law, name) for one in found], ddof=1)
        said = np.mean([one.samples[:, place].std(ddof=1) for one in found])
        assert said == pytest.approx(deviation, rel=0.35), name


def test_bands_are_percentiles_of_the_curves_and_hold_the_truth():
    costs, errors = drawn(np.random.default_rng(7), 500)
    found = bootstrap_power_law(costs, errors, confidence=0.8, resamples=60, seed=1)
    at = np.array([2.0, 0.5, 2.0, 90.0])
    curves = np.array([PowerLaw(*sample).errors(at) for sample in found.samples])
    assert found.band(at) == pytest.approx(np.percentile(curves, [10, 90], axis=0))
    assert found.interval("b") == pytest.approx(tuple(np.percentile(found.samples[:, 1], [10, 90])))
    low, high = bootstrap_power_law(costs, errors, confidence=0.999, resamples=60, seed=1).band(at)
    assert ((low < KNOWN.errors(at)) & (KNOWN.errors(at) < high)).all()


def test_a_seed_decides_all_resamples():
    costs, errors = drawn(np.random.default_rng(8), 80)
    first, again, other = (
        bootstrap_power_law(costs, errors, confidence=0.9, resamples=5, seed=seed).samples
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("costs", "errors", "says"),
    [
        ([1, 2, 3, 4, 0], [0.1] * 5, "above zero"),
        ([1, 2, 3, 4, 5], [0.1, 0.1, 0.1, 0, 0.1], "above zero"),
        ([2, 2, 2, 2, 2], [0.1] * 5, "there is one cost"),
        ([1, 2, 3, 3, 3], [0.1] * 5, "there are 3 different costs"),
    ],
)
def test_what_has_no_law_is_refused(costs, errors, says):
    with pytest.raises(NasbenchSuiteError, match=says):
        fit_power_law(np.array(costs, dtype=float), np.array(errors, dtype=float))
