"""A study: how it draws, what it records, that it goes on, and that better predictors come out ahead."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.surrogates import study as studies
from nasbench_suite.surrogates.leave_out import leave_one_out, visited
from nasbench_suite.surrogates.regressor import FitError
from nasbench_suite.surrogates.study import DEFAULT_ENTRANTS, SIZES, Entrant, Material, Plan, draw, play_study
from nasbench_suite.surrogates.study_page import (
    csv_table,
    draw_study,
    markdown_page,
    mean_and_error,
    write_study,
)
from nasbench_suite.tabular.benchmark import TabularBenchmark

ENTRANTS = (
    Entrant("nu_svr", settings={"members": 2, "cost": 10.0}, label="sees operations"),
    Entrant("nu_svr", "ordinal", settings={"members": 2, "nu": 0.01, "cost": 1e-6}, label="learns nothing"),
)
PLAN = Plan("made/up", ENTRANTS, sizes=(10, 40, 200), trials=7, tested=50)


@pytest.fixture(scope="module")
def task(make_table):
    table = make_table(rows=900, repeats=1, epochs=(12,))
    worth = np.array([0.0, 0.3, 0.5, 1.0, 0.2])[table.genes].sum(1)
    noise = np.random.default_rng(0).normal(0, 0.02, 900)
    table.columns["valid_accuracy"] = (0.5 + 0.06 * worth + noise)[:, None, None]
    return TabularBenchmark(table)


@pytest.fixture(scope="module")
def played(task, tmp_path_factory):
    return play_study(task, PLAN, tmp_path_factory.mktemp("trials"))


def test_the_usual_study_is_that_of_the_paper():
    assert Plan("x").sizes == (5, 8, 14, 24, 42, 71, 121, 205, 347, 589, 1000) == SIZES
    assert (Plan("x").trials, Plan("x").tested, len(DEFAULT_ENTRANTS)) == (100, 200, 5)
    np.testing.assert_allclose(np.diff(np.log(SIZES)), np.log(200) / 10, atol=0.12)


def test_draws_are_apart_nested_and_differ_by_trial(task):
    material = Material.of(task)
    judges, teachers = draw(material, PLAN, 0)
    assert (len(judges), len(teachers)) == (50, 200)
    assert not set(material.keys[judges].tolist()) & set(material.keys[teachers].tolist())
    other = draw(material, PLAN, 1)
    assert len(set(judges.tolist()) & set(other[0].tolist())) < 15
    smaller = draw(material, replace(PLAN, sizes=(10,)), 0)
    assert (smaller[1] == teachers[:10]).all()
    flattered = draw(material, replace(PLAN, overlap="with", tested=500, sizes=(400,)), 0)
    assert set(flattered[0].tolist()) & set(flattered[1].tolist())


def test_results_are_those_of_the_table(task):
    material = Material.of(task)
    np.testing.assert_array_equal(material.results, task.query(task.table.genes).valid)
    np.testing.assert_allclose(material.seconds, task.query(task.table.genes).seconds)


def test_more_teaching_helps_the_one_that_sees(played):
    tau, _ = mean_and_error(played.scores["kendall"])
    assert tau[0, 2] > 0.5 > tau[0, 0] > 0.2
    assert tau[0, 2] > tau[1, 2] + 0.2
    assert np.isfinite(played.fit_seconds).all()
    assert (played.query_seconds >= 0).all()


def test_seconds_to_begin_are_those_of_all_that_teach(played, task):
    material = Material.of(task)
    for trial in (0, 6):
        _, teachers = draw(material, PLAN, trial)
        for place, size in enumerate(PLAN.sizes):
            assert played.train_seconds[place, trial] == pytest.approx(
                material.seconds[teachers[:size]].sum()
            )


def test_it_goes_on_where_it_stopped_and_knows_its_folder(task, played, tmp_path, monkeypatch):
    done = []

    def stop(done_blocks, _):
        done.append(done_blocks)
        if done_blocks == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        play_study(task, PLAN, tmp_path, progress=stop)
    fitted = []
    original = studies.study_trials
    monkeypatch.setattr(studies, "study_trials", lambda *job: fitted.append(job[2:]) or original(*job))
    again = play_study(task, PLAN, tmp_path)
    assert len(fitted) == 2  # of four blocks
    for name, values in played.scores.items():
        np.testing.assert_array_equal(again.scores[name], values)
    with pytest.raises(NasbenchSuiteError, match="holds another study, or one of another table"):
        play_study(task, replace(PLAN, seed=1), tmp_path)
    block = next(tmp_path.glob("entrant-*.json"))
    block.write_text(json.dumps([{"trial": 0}]))
    with pytest.raises(DamagedFileError, match="is damaged; remove it and give the same command again"):
        play_study(task, PLAN, tmp_path)


def test_too_few_architectures_are_refused(task, tmp_path):
    with pytest.raises(
        FitError, match="has 900 architectures with results, too few for 50 that judge and 2000"
    ):
        play_study(task, replace(PLAN, sizes=(2000,)), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_means_leave_missing_values_out():
    mean, error = mean_and_error(np.array([[1.0, 3.0, np.nan], [np.nan] * 3, [2.0, np.nan, np.nan]]))
    np.testing.assert_array_equal(mean, [2.0, np.nan, 2.0])
    np.testing.assert_allclose(error[0], np.sqrt(2) / np.sqrt(2))
    assert np.isnan(error[1:]).all()


def test_the_page_has_every_number_and_the_table_every_fit(played, tmp_path):
    page = markdown_page(played, [], "study.svg")
    tau, error = mean_and_error(played.scores["kendall"])
    assert (
        f"| sees operations | {tau[0, 0]:.3f} ± {error[0, 0]:.3f} | {tau[0, 1]:.3f} ± {error[0, 1]:.3f} |"
        in page
    )
    assert "the simulated seconds that training them took, and the fit" in page
    lines = list(csv.DictReader(io.StringIO(csv_table(played))))
    assert len(lines) == 2 * 3 * 7
    assert float(lines[8]["kendall"]) == pytest.approx(played.scores["kendall"][0, 1, 1], rel=1e-5)
    written = write_study(played, [], tmp_path / "a" / "study.md")
    assert [path.name for path in written] == ["study.svg", "study.csv", "study.md"]
    assert len(draw_study(played).axes) == 2


def test_leaving_a_strategy_out_judges_where_no_other_has_been(task, cora):
    strategies = ["random_search", "local_search"]
    entrants = [Entrant("nu_svr", settings={"members": 2})]
    found = leave_one_out(cora, entrants, strategies, evaluations=60, runs=2, seed=3)
    seen = visited(cora, strategies, 60, 2, 3)
    keys = {name: set(get_space("graph").key(rows).tolist()) for name, rows in seen.items()}
    for left in found:
        other = next(name for name in strategies if name != left.strategy)
        assert left.taught == len(keys[other])
        assert left.judged == len(keys[left.strategy] - keys[other])
        assert left.scores["nu_svr"].samples == left.judged
    page = markdown_page(play_nothing(task), found, "x.svg")
    assert f"| local_search | {found[1].taught} | {found[1].judged} |" in page


def play_nothing(task):
    """Return a study of one entrant whose values do not matter."""
    shape = (1, 1, 2)
    plan = Plan("made/up", [Entrant("nu_svr")], sizes=(10,), trials=2)
    names = ("kendall", "sparse_kendall", "spearman", "r2", "calibration_error")
    values = {name: np.zeros(shape) for name in names}
    return studies.Study(plan, values, np.ones(shape), np.ones(shape), np.full((1, 2), np.nan))
