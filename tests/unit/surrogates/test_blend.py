"""Blends and warps against scikit-learn's, closed forms, and what they are for."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import PowerTransformer

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.surrogates.blend import Blend
from nasbench_suite.surrogates.catalogue import make_surrogate
from nasbench_suite.surrogates.regressor import FitError
from nasbench_suite.surrogates.warp import WARPS, Warp

SMOOTH = {"gaussian_process": {"restarts": 0}}
BOTH = {**SMOOTH, "random_forest": {"trees": 30}}


def crowded(n=300, seed=0, noise=0.1):
    """Targets below a limit of 1, with a tail; the logarithm of the distance from it is a smooth function."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return x, 1 - np.exp(np.sin(x[:, 0]) + 0.5 * x[:, 1] + noise * rng.normal(size=n))


def standardised(y):
    return (y - y.mean()) / y.std()


@pytest.mark.parametrize("kind", WARPS)
def test_a_warp_is_monotonic_and_undone_even_beyond_its_targets(kind):
    targets = standardised(crowded()[1])
    warp = Warp.fit(kind, targets)
    wide = np.linspace(targets.min() - 2, targets.max() + 2, 500)
    assert (np.diff(warp.forward(wide)) > 0).all()
    np.testing.assert_allclose(warp.backward(warp.forward(wide)), wide, atol=1e-9)
    warped = warp.forward(targets)
    assert abs(warped.mean()) < 1e-9
    assert warped.std() == pytest.approx(1, abs=1e-9)


def test_the_power_is_that_of_scikit_learn():
    targets = standardised(crowded()[1])
    theirs = PowerTransformer("yeo-johnson").fit_transform(targets[:, None])[:, 0]
    np.testing.assert_allclose(Warp.fit("power", targets).forward(targets), theirs, atol=0.02)


def test_normal_scores_are_normal_and_equal_for_equal_targets():
    targets = standardised(crowded(2000)[1])
    assert stats.kstest(Warp.fit("normal", targets).forward(targets), "norm").statistic < 0.01
    tied = np.round(targets, 1)
    warped = Warp.fit("normal", tied).forward(tied)
    assert len(np.unique(warped)) == len(np.unique(tied))


def test_warps_make_crowded_targets_easier_to_put_in_order():
    (x, y), (new, truth) = crowded(), crowded(500, 1)
    y, truth = 1 - (1 - y) ** 2, 1 - (1 - truth) ** 2
    tau = {
        kind: stats.kendalltau(Blend(SMOOTH, warp=kind).fit(x, y).predict(new), truth)[0] for kind in WARPS
    }
    assert tau["power"] > tau["none"] + 0.02
    assert tau["normal"] > tau["none"] + 0.03


def test_without_a_warp_a_blend_is_the_weighted_mean_of_its_parts():
    x, y = crowded()
    blend = Blend(BOTH, warp="none", seed=3).fit(x, y)
    new = crowded(50, 1)[0]
    alone = [make_surrogate(name, seed=3, **BOTH[name]).fit(x, y).predict(new) for name in sorted(BOTH)]
    np.testing.assert_allclose(blend.predict(new), blend.weights_ @ np.array(alone), rtol=1e-9)
    assert blend.weights_.sum() == pytest.approx(1)


def test_weights_are_of_the_least_squares_on_samples_not_seen():
    x, y = crowded(noise=0.5)
    blend = Blend(BOTH, warp="none", folds=4, seed=5)
    fold = np.random.default_rng(5).permutation(300) % 4
    unseen = np.empty((300, 2))
    for left_out in range(4):
        own = fold == left_out
        for place, name in enumerate(sorted(BOTH)):
            part = make_surrogate(name, seed=5, **BOTH[name]).fit(x[~own], standardised(y)[~own])
            unseen[own, place] = part.predict(x[own])
    expected = LinearRegression(fit_intercept=False, positive=True).fit(unseen, standardised(y)).coef_
    np.testing.assert_allclose(blend.fit(x, y).weights_, expected / expected.sum(), atol=1e-6)


def test_a_part_that_tells_nothing_weighs_nothing():
    x, y = crowded()
    parts = {**SMOOTH, "nu_svr": {"gamma": 1e6}}  # so narrow a kernel knows its samples alone
    assert Blend(parts).fit(x, y).weights_ == pytest.approx([1, 0], abs=0.1)


def test_deviations_hold_about_what_they_should():
    x, y = crowded(600, noise=0.4)
    new, truth = crowded(2000, 1, noise=0.4)
    mean, deviation = Blend(BOTH).fit(x, y).predict(new, return_std=True)
    assert (np.abs(truth - mean) < deviation).mean() == pytest.approx(0.683, abs=0.06)


def test_what_cannot_be_blended_is_refused():
    x, y = crowded(8)
    with pytest.raises(FitError, match="8 samples are too few for 5 folds; give at least 10"):
        Blend(BOTH).fit(x, y)
    with pytest.raises(NasbenchSuiteError, match=r"at least 2 folds; not 2 part\(s\) and 1"):
        Blend(BOTH, folds=1).fit(x, y)
    with pytest.raises(NasbenchSuiteError, match="no warp 'log'"):
        Blend(BOTH, warp="log", folds=2).fit(x, y)
    with pytest.raises(NasbenchSuiteError, match="no surrogate 'forest'"):
        Blend({"forest": {}}, folds=2).fit(x, y)
    with pytest.raises(FitError, match="without one of 2 folds all targets are equal"):
        Blend(BOTH, folds=2).fit(x, [0.5] * 7 + [0.6])
