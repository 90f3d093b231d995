"""Ensembles in the form of NAS-Bench-301's, against the libraries that wrote them (`golden/nasbench301`)."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space, load_benchmark, search
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.surrogates.benchmark import SurrogateBenchmark
from nasbench_suite.surrogates.configspace_columns import configspace_columns, hyperparameters
from nasbench_suite.surrogates.encodings import ArchitectureEncoder
from nasbench_suite.surrogates.model import load_surrogate
from nasbench_suite.surrogates.nasbench301 import find_ensembles, import_models, model_of
from nasbench_suite.surrogates.shipped import refit

MODELS = Path(__file__).parents[2] / "golden" / "nasbench301"
EXPECTED = json.loads((MODELS / "expected.json").read_text())
MEAN = np.mean(EXPECTED["accuracy"], axis=0) / 100


@pytest.fixture(scope="module")
def genes():
    space = get_space("darts_cell")
    return np.stack([space.parse(text) for text in EXPECTED["genotypes"]])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    return Path(shutil.copytree(MODELS, tmp_path / "nb_models"))


def ensembles():
    runtime, accuracy = (
        next(e for e in find_ensembles([MODELS]) if e.kind == k) for k in ("lgb_time", "xgb")
    )
    return accuracy, runtime


def test_vectors_are_those_of_configspace(genes):
    assert list(hyperparameters()) == EXPECTED["hyperparameters"]
    assert configspace_columns(genes) == pytest.approx(np.array(EXPECTED["features"]), rel=1e-6, abs=1e-9)


def test_members_predict_what_their_libraries_predicted(genes):
    benchmark = SurrogateBenchmark(model_of(*ensembles()), "x")
    for member, accuracy in enumerate(EXPECTED["accuracy"]):
        assert benchmark.query(genes, repeat=member).valid * 100 == pytest.approx(accuracy, rel=1e-6)
    found = benchmark.query(genes)
    assert found.valid == pytest.approx(MEAN, rel=1e-6)
    assert found.seconds == pytest.approx(np.mean(EXPECTED["seconds"], axis=0), rel=1e-5)
    assert benchmark.reveal(genes).test == pytest.approx(found.valid)


def test_noise_is_a_normal_draw_with_the_deviation_of_the_members(genes):
    benchmark = SurrogateBenchmark(model_of(*ensembles()), "x")
    rng, deviation = np.random.default_rng(3), np.std(EXPECTED["accuracy"], axis=0) / 100
    draws = np.array([benchmark.query(genes, repeat=rng).valid for _ in range(400)])
    assert ((draws - MEAN) / deviation).std() == pytest.approx(1.0, abs=0.02)
    assert draws.std(axis=0) == pytest.approx(deviation, rel=0.15)


def test_isomorphic_cells_have_predictions_and_numbers_of_their_own(genes):
    benchmark = SurrogateBenchmark(model_of(*ensembles()), "x")
    canonical = benchmark.space.canonical(genes)
    moved = (canonical != genes).any(axis=1)
    assert moved.any()
    assert (benchmark.identity(genes) != benchmark.identity(canonical))[moved].all()
    assert (benchmark.query(genes).valid != benchmark.query(canonical).valid)[moved].any()


def test_an_imported_ensemble_is_a_task_like_any_other(folder, genes):
    (made,), left_out = import_models([folder])
    assert made[1].name == "nasbench301-xgb_v1.0"
    assert not left_out
    assert made[1].imported.members == 3
    assert set(made[1].imported.files) == {
        str(path.relative_to(folder)) for path in folder.glob("*_v1.0/*/surrogate_model.model")
    }
    shutil.rmtree(folder)  # it is not read again
    benchmark = load_benchmark("surrogate:nasbench301-xgb_v1.0")
    assert benchmark.query(genes).valid == pytest.approx(MEAN, rel=1e-6)
    runs = search("random_search", "surrogate:nasbench301-xgb_v1.0", evaluations=20, runs=2)
    assert np.isfinite(runs.valid).all()
    with pytest.raises(NasbenchSuiteError, match="was imported"):
        refit(made[0])


def test_without_runtimes_an_evaluation_costs_nothing_and_the_card_says_so(folder, genes):
    shutil.rmtree(folder / "lgb_runtime_v1.0")
    (made,), _ = import_models([folder / "xgb_v1.0"], "mine")
    assert "costs nothing" in made[1].defects[-1]
    assert load_benchmark("surrogate:mine-xgb_v1.0").query(genes).seconds is None


def test_what_cannot_be_read_is_left_out_or_refused(folder):
    gin = folder / "gnn_gin_v1.0" / "gin_0"
    shutil.copytree(folder / "xgb_v1.0" / "xgb_0", gin)
    (gin / "model_config.json").write_text('{"model": "gnn_gin"}')
    _, left_out = import_models([folder])
    assert [ensemble.kind for ensemble in left_out] == ["gnn_gin"]
    with pytest.raises(NasbenchSuiteError, match="kind gnn_gin"):
        import_models([gin])
    (gin / "model_config.json").unlink()
    with pytest.raises(NasbenchSuiteError, match=r"model_config\.json"):
        import_models([folder])
    with pytest.raises(NasbenchSuiteError, match=r"no surrogate_model\.model"):
        import_models([folder / "small"])


def test_models_of_other_features_are_refused(folder):
    small = MODELS / "small" / "xgboost-1.0.2.model"
    shutil.copy(small, folder / "xgb_v1.0" / "xgb_1" / "surrogate_model.model")
    with pytest.raises(DamagedFileError, match="4 columns, not the 56"):
        import_models([folder])


def test_a_model_that_was_changed_afterwards_is_refused(folder):
    (made,), _ = import_models([folder])
    model = load_surrogate(made[0] / "model.h5")
    replace(model, about={"trees": "others"}).save(made[0] / "model.h5")  # whole, but another file
    with pytest.raises(DamagedFileError, match="import it again"):
        load_benchmark("surrogate:nasbench301-xgb_v1.0")


def test_the_encoding_is_that_of_its_space_only():
    with pytest.raises(NasbenchSuiteError, match="darts_cell"):
        ArchitectureEncoder("graph", "configspace").fit(
            get_space("graph").sample(np.random.default_rng(0), 2)
        )
