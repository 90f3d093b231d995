"""Every estimator by one contract, and each against the library or the closed form that it stands on."""

import numpy as np
import pytest
import xgboost as xgb
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.model_selection import GridSearchCV
from sklearn.svm import NuSVR
from sklearn.utils.estimator_checks import parametrize_with_checks

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space, load_benchmark
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.surrogates.boosted_trees import BoostedTrees
from nasbench_suite.surrogates.catalogue import get_surrogate, make_predictor, settings_of, surrogate_names
from nasbench_suite.surrogates.encodings import ArchitectureEncoder
from nasbench_suite.surrogates.gaussian_process import GaussianProcess
from nasbench_suite.surrogates.kernels import JITTER, KERNELS, negative_log_likelihood
from nasbench_suite.surrogates.model_file import load_predictors, save_predictors
from nasbench_suite.surrogates.nu_svr import NuSupportVectors
from nasbench_suite.surrogates.random_forest import RandomForest
from nasbench_suite.surrogates.regressor import FitError
from nasbench_suite.surrogates.study import Material, Plan, draw

SPACE = "nats_topology"
QUICK = {
    "blend": {"parts": {"gaussian_process": {"restarts": 0}, "random_forest": {"trees": 20}}, "folds": 3},
    "gaussian_process": {"restarts": 0},
    "gin": {"epochs": 60, "members": 2, "units": 16, "layers": 2},
    "mlp": {"epochs": 60, "members": 2, "units": 32},
    "nu_svr": {"cost": 10.0},
    "random_forest": {"trees": 60, "max_features": 0.5},
    "xgboost": {"rounds": 80, "members": 2, "learning_rate": 0.2},
}
VARIANTS = [
    *sorted(QUICK),
    "xgboost rank",
    "xgboost quantile",
    "xgboost absolute",
    "gaussian_process each",
    "gaussian_process several",
]


def worth(genes):
    """A made-up accuracy: what operations are worth, and a pair of edges that matters."""
    of_operation = np.array([-0.2, 0.0, 0.05, 0.1, -0.03])
    return 0.7 + of_operation[genes].mean(1) + 0.05 * ((genes[:, 0] == 3) & (genes[:, 2] == 3))


def quick(variant):
    name, _, choice = variant.partition(" ")
    settings = dict(QUICK[name])
    if name == "gaussian_process" and choice:
        settings |= {"lengths": "each", "members": 2 if choice == "several" else 1, "chosen": 100}
    elif choice:
        settings["objective"] = choice
    return make_predictor(SPACE, name, **settings)


@pytest.fixture(scope="module")
def genes():
    return get_space(SPACE).sample(np.random.default_rng(0), 400)


@pytest.fixture(scope="module", params=VARIANTS)
def fitted(request, genes):
    return quick(request.param).fit(genes[:250], worth(genes[:250]))


def test_it_predicts_what_it_has_not_seen(fitted, genes):
    mean, deviation = fitted.predict(genes[250:], return_std=True)
    assert mean.shape == deviation.shape == (150,)
    assert mean.dtype == np.float64
    assert spearmanr(mean, worth(genes[250:]))[0] > 0.85
    assert np.abs(mean - worth(genes[250:])).mean() < 0.5 * worth(genes).std()
    assert (deviation >= 0).all()
    assert deviation.max() > 0
    assert (fitted.predict(genes[250:]) == mean).all()


def test_a_batch_is_predicted_as_its_rows_are(fitted, genes):
    whole = fitted.predict(genes[250:270])
    single = np.concatenate([fitted.predict(genes[row : row + 1]) for row in range(250, 270)])
    np.testing.assert_allclose(whole, single, rtol=1e-5)
    assert fitted.predict(genes[:0]).shape == (0,)


def test_it_is_the_same_with_the_same_seed(fitted, genes):
    again = clone(fitted).fit(genes[:250], worth(genes[:250]))
    assert (again.predict(genes) == fitted.predict(genes)).all()


def test_targets_of_another_scale_give_predictions_of_that_scale(fitted, genes):
    moved = clone(fitted).fit(genes[:250], 100 * worth(genes[:250]) - 7)
    np.testing.assert_allclose(moved.predict(genes), 100 * fitted.predict(genes) - 7, rtol=1e-2, atol=0.3)


def test_a_model_file_gives_the_same_predictions(fitted, genes, tmp_path):
    save_predictors(tmp_path / "model.h5", {"valid": fitted}, {"task": "made/up"})
    found, about = load_predictors(tmp_path / "model.h5")
    assert about["task"] == "made/up"
    assert about["software"]["numpy"] == np.__version__
    for ours, theirs in zip(
        found["valid"].predict(genes, return_std=True), fitted.predict(genes, return_std=True), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-9)
    assert found["valid"].get_params()["surrogate"].get_params() == fitted["surrogate"].get_params()


ESTIMATORS = [
    get_surrogate(name)(**settings)
    for name, settings in {**QUICK, "mlp": {"epochs": 80, "members": 1, "units": 32}}.items()
    if name != "gin"  # its columns are the genes of a space, so that scikit-learn's data mean nothing to it
]
NOT_MEANT = {
    "Blend": {"check_parameters_default_constructible": "its parts are a mapping"},
    "MlpEnsemble": {"check_methods_subset_invariance": "float32 sums round by the size of a batch"},
}


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda one: NOT_MEANT.get(type(one).__name__, {}))
def test_estimators_pass_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


def test_every_estimator_is_tested_and_has_its_name():
    assert surrogate_names() == sorted(QUICK)
    for name in surrogate_names():
        assert get_surrogate(name).name == name


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([0.5], "1 sample.s. are too few"),
        ([0.5, 0.5, 0.5], "all 3 targets are 0.5"),
        ([0.5, np.nan, 0.6], "1 of 3 targets are not finite, the first in row 1"),
        ([0.5, 0.6], r"features of shape \(3, \d+\) and targets of shape \(2,\)"),
    ],
)
def test_what_cannot_be_learnt_is_refused(variant, targets, sentence, genes):
    rows = genes[:1] if len(targets) == 1 else genes[:3]
    with pytest.raises(FitError, match=sentence):
        quick(variant).fit(rows, np.array(targets))


def test_features_that_are_not_finite_are_refused():
    features = np.zeros((3, 2))
    features[1, 1] = np.inf
    with pytest.raises(FitError, match="1 of 3 rows have features that are not finite, first row 1"):
        RandomForest().fit(features, [1, 2, 3])


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_unfitted_one_and_rows_of_another_space_are_refused(variant, genes):
    with pytest.raises(NasbenchSuiteError, match="is not fitted; call fit first"):
        quick(variant)["surrogate"].predict(np.zeros((2, 30)))
    predictor = quick(variant).fit(genes[:40], worth(genes[:40]))
    with pytest.raises(ArchitectureError):
        predictor.predict(get_space("macro").sample(np.random.default_rng(0), 2))
    with pytest.raises(NasbenchSuiteError, match=r"was fitted on .* columns and cannot predict an array"):
        predictor["surrogate"].predict(np.zeros((2, 7)))


def test_unknown_names_are_refused():
    with pytest.raises(NasbenchSuiteError, match="no surrogate 'xgbost'; did you mean xgboost"):
        make_predictor(SPACE, "xgbost")
    with pytest.raises(
        NasbenchSuiteError, match="no hyperparameter of surrogate mlp 'unit'; did you mean unit"
    ):
        make_predictor(SPACE, "mlp", unit=3)
    with pytest.raises(NasbenchSuiteError, match="graphs of architectures; leave out encoding=path"):
        make_predictor(SPACE, "gin", encoding="path")
    with pytest.raises(NasbenchSuiteError, match="no objective 'square'"):
        BoostedTrees(objective="square").fit(np.eye(3), [1, 2, 3])
    with pytest.raises(NasbenchSuiteError, match="no kernel 'linear'"):
        GaussianProcess(kernel="linear").fit(np.eye(3), [1, 2, 3])
    with pytest.raises(NasbenchSuiteError, match="no choice of length scales 'every'"):
        GaussianProcess(lengths="every").fit(np.eye(3), [1, 2, 3])


def test_it_works_in_a_search_of_scikit_learn(genes):
    search = GridSearchCV(quick("nu_svr"), {"surrogate__cost": [1e-4, 10.0]}, cv=3)
    search.fit(genes[:150], worth(genes[:150]))
    assert search.best_params_ == {"surrogate__cost": 10.0}
    assert "epochs" in settings_of("mlp")


# -- each against what it stands on ------------------------------------------------------------------


def made_up(n=120, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6)).astype(np.float32)
    return x, np.sin(x[:, 0]) + x[:, 1] * x[:, 2] + 0.1 * rng.normal(size=n)


def standardised(y):
    return (y - y.mean()) / y.std()


def test_a_forest_walks_as_scikit_learns_does():
    x, y = made_up()
    ours = RandomForest(trees=20, seed=4).fit(x, y)
    theirs = RandomForestRegressor(
        n_estimators=20, max_features=0.17, min_samples_leaf=2, bootstrap=False, random_state=4
    ).fit(x, standardised(y))
    new = made_up(300, 5)[0]
    members = np.array([tree.predict(new) for tree in theirs.estimators_]) * y.std() + y.mean()
    np.testing.assert_allclose(ours.predict_members(new), members, rtol=1e-12)
    np.testing.assert_allclose(ours.predict(new, return_std=True)[1], members.std(0), rtol=1e-9)


@pytest.mark.parametrize("lengths", ["one", "each"])
@pytest.mark.parametrize("name", ["matern", "rbf"])
def test_a_gaussian_process_predicts_as_scikit_learns_with_the_same_kernel(name, lengths):
    x, y = made_up()
    ours = GaussianProcess(kernel=name, lengths=lengths, restarts=0).fit(x, y)
    assert len(set(ours.lengths_[0])) == (1 if lengths == "one" else 6)
    shape = Matern(ours.lengths_[0], nu=2.5) if name == "matern" else RBF(ours.lengths_[0])
    amplitude, noise = ours.variances_[0]
    kernel = ConstantKernel(amplitude) * shape + WhiteKernel(noise)
    theirs = GaussianProcessRegressor(kernel, alpha=1e-8, optimizer=None).fit(x, standardised(y))
    new = made_up(50, 5)[0]
    for found, expected, shift in zip(
        ours.predict(new, return_std=True), theirs.predict(new, return_std=True), (y.mean(), 0), strict=True
    ):
        np.testing.assert_allclose(found, expected * y.std() + shift, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lengths", [[1.3], [0.7, 1.0, 2.0, 3.0, 0.5, 9.0]])
@pytest.mark.parametrize("name", ["matern", "rbf"])
def test_the_likelihood_of_a_kernel_and_its_gradient_are_scikit_learns(name, lengths):
    x, y = made_up()
    lengths = lengths[0] if len(lengths) == 1 else lengths
    shape = Matern(lengths, nu=2.5) if name == "matern" else RBF(lengths)
    kernel = ConstantKernel(1.7) * shape + WhiteKernel(0.05)
    theirs = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None).fit(x, standardised(y))
    expected, gradient = theirs.log_marginal_likelihood(
        np.log([1.7, *np.atleast_1d(lengths), 0.05]), eval_gradient=True
    )
    parameters = np.log([*np.atleast_1d(lengths), 1.7, 0.05])
    value, found = negative_log_likelihood(parameters, KERNELS[name], x.astype(float), standardised(y))
    assert value + len(y) / 2 * np.log(2 * np.pi) == pytest.approx(-expected, rel=1e-6)
    np.testing.assert_allclose(-found[[-2, *range(len(parameters) - 2), -1]], gradient, rtol=1e-4, atol=1e-4)


def test_columns_that_tell_nothing_get_long_lengths():
    x, y = made_up(300)
    found = GaussianProcess(lengths="each", restarts=0).fit(1000 * x + 5, y).lengths_[0]
    assert found[3:].min() > 5 * found[:3].max()


def test_few_chosen_samples_find_nearly_the_kernel_of_all():
    x, y = made_up(400)
    few, all_ = (GaussianProcess(restarts=0, chosen=chosen).fit(x, y) for chosen in (150, 400))
    assert few.weights_.shape == (1, 400)
    assert few.lengths_[0, 0] == pytest.approx(all_.lengths_[0, 0], rel=0.3)
    new, truth = made_up(300, 5)
    assert np.abs(few.predict(new) - truth).mean() < 1.1 * np.abs(all_.predict(new) - truth).mean()


@pytest.mark.parametrize("trial", [0, 7])
def test_the_search_for_a_kernel_does_not_end_where_every_sample_stands_alone(trial):
    material = Material.of(load_benchmark("nats_topology/mnist1d"))
    rows = draw(material, Plan("nats_topology/mnist1d"), trial)[1][:205]
    encoded = ArchitectureEncoder(SPACE, "one_hot").fit_transform(material.genes[rows])
    process = GaussianProcess(restarts=0).fit(encoded, material.results[rows])
    assert process.lengths_.min() > 1  # distances are 1.4 and more


def test_several_processes_have_kernels_of_their_own_and_are_a_mixture():
    x, y = made_up(300)
    several = GaussianProcess(members=3, restarts=0, chosen=100, lengths="each").fit(x, y)
    assert len(np.unique(several.lengths_.round(9), axis=0)) == 3
    new = made_up(50, 5)[0]
    members = several.predict_members(new)
    mean, deviation = several.predict(new, return_std=True)
    np.testing.assert_allclose(mean, members.mean(axis=0))
    assert (deviation > members.std(axis=0)).all()


def test_a_gaussian_process_that_is_too_large_is_refused():
    with pytest.raises(NasbenchSuiteError, match="on 120 samples takes minutes and gigabytes"):
        GaussianProcess(largest=100).fit(*made_up())


def test_support_vectors_predict_as_scikit_learns():
    x, y = made_up()
    ours = NuSupportVectors(members=1, share=1.0, cost=3.0, gamma=2.0).fit(x, y)
    scaled = (x - x.mean(0)) / x.std(0)
    theirs = NuSVR(nu=0.5, C=3.0, gamma=2.0 / 6).fit(scaled.astype(np.float64), standardised(y))
    new = made_up(50, 5)[0]
    expected = theirs.predict(((new - x.mean(0)) / x.std(0)).astype(np.float64)) * y.std() + y.mean()
    np.testing.assert_allclose(ours.predict(new), expected, rtol=1e-4, atol=1e-5)


def test_columns_that_do_not_vary_do_not_matter_to_support_vectors():
    x, y = made_up()
    wide = np.concatenate([x, np.full((len(x), 3), 7, dtype=np.float32)], axis=1)
    np.testing.assert_allclose(
        NuSupportVectors().fit(wide, y).predict(wide), NuSupportVectors().fit(x, y).predict(x)
    )


def test_boosted_trees_are_xgboosts():
    x, y = made_up()
    ours = BoostedTrees(members=1, share=1.0, rounds=30, subsample=1.0, columns=1.0).fit(x, y)
    settings = {"objective": "reg:squarederror", "learning_rate": 0.05, "max_depth": 6, "tree_method": "hist"}
    theirs = xgb.train(settings, xgb.DMatrix(x, standardised(y)), 30)
    new = made_up(50, 5)[0]
    np.testing.assert_allclose(
        ours.predict(new), theirs.predict(xgb.DMatrix(new)) * y.std() + y.mean(), rtol=1e-5
    )


def test_threads_do_not_change_boosted_trees():
    x, y = made_up(400)
    one, two = (BoostedTrees(rounds=40, threads=threads).fit(x, y).predict(x) for threads in (1, 2))
    assert (one == two).all()


def test_quantiles_cover_what_they_should():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(4000, 1)).astype(np.float32)
    y = rng.normal(0, 0.2 + 0.6 * (x[:, 0] > 0))
    trees = BoostedTrees("quantile", members=1, share=1.0, rounds=60, max_depth=2, learning_rate=0.1).fit(
        x, y
    )
    deviation = trees.predict(np.array([[-0.5], [0.5]], dtype=np.float32), return_std=True)[1]
    np.testing.assert_allclose(deviation, [0.2, 0.8], rtol=0.15)


def test_a_gaussian_process_knows_its_noise():
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, size=(300, 1)).astype(np.float32)
    y = np.sin(2 * x[:, 0]) + rng.normal(0, 0.3, size=300)
    process = GaussianProcess(restarts=0).fit(x, y)
    assert np.sqrt(process.variances_[0, 1]) * y.std() == pytest.approx(0.3, rel=0.15)
    near, far = process.predict(np.array([[0.0], [40.0]], dtype=np.float32), return_std=True)[1]
    assert far > 2 * near


def test_a_damaged_model_file_is_refused(tmp_path, genes):
    path = tmp_path / "model.h5"
    save_predictors(path, {"valid": quick("nu_svr").fit(genes[:50], worth(genes[:50]))}, {})
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        DamagedFileError, match=r"is truncated or corrupt .* fit it again with nasbench-suite fit"
    ):
        load_predictors(path)
    with pytest.raises(NasbenchSuiteError, match="cannot be read"):
        load_predictors(tmp_path / "absent.h5")


def test_a_predictor_that_is_not_in_the_file_is_named(tmp_path, genes):
    path = tmp_path / "model.h5"
    save_predictors(path, {"valid": quick("nu_svr").fit(genes[:50], worth(genes[:50]))}, {})
    with pytest.raises(DamagedFileError, match="holds no model of test"):
        load_predictors(path, ["test"])
