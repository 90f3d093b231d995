"""Tables of generators: what a build trains, that it goes on, what its file holds, the table made of it."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from nasbench_suite import get_space
from nasbench_suite.cards import CardError
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.tabular.datasheet import datasheets
from nasbench_suite.tabular.gan_file import CURVES, read_gan_file, write_gan_file
from nasbench_suite.tabular.importers import gan
from nasbench_suite.training.data import load_data
from nasbench_suite.training.gan import build, recipe
from nasbench_suite.training.gan.build import as_gan_file, build_gans, collected
from nasbench_suite.training.gan.classifier import classifier_path, load_classifier
from nasbench_suite.training.gan.data import GanData, get_gan_data
from nasbench_suite.training.gan.plan import read_gan_plan
from nasbench_suite.training.gan.recipe import GanRecipe
from nasbench_suite.training.gan.train import train_gans

PLAN = """
benchmark = "gans"
task = "gans/mnist1d"
space = "gan_two_cells"
recipe = "tiny"
seeds = [0, 3]
limit = 5
sample = 2
block = 2
"""
TINY = GanRecipe(
    *("tiny", "made up"),
    steps=4,
    batch=4,
    channels=3,
    latent=2,
    critic_channels=3,
    checkpoints=2,
    judged=40,
    judged_batch=20,
)


@pytest.fixture(scope="module", autouse=True)
def recipes():
    with pytest.MonkeyPatch.context() as patch:
        known = {**recipe.GAN_RECIPES, "tiny": TINY, "other": replace(TINY, latent=3)}
        patch.setattr(recipe, "GAN_RECIPES", known)
        few = load_data("mnist1d", train=100, valid=80, test=60)  # judging all takes a second for every block
        patch.setattr(GanData, "load", lambda data, device="cpu": few)
        yield


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "gan.toml").write_text(PLAN)
    return read_gan_plan(tmp_path / "gan.toml")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, recipes):
    """A folder of blocks, made once."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "gan.toml").write_text(PLAN)
    build_gans(read_gan_plan(folder / "gan.toml"), folder / "work", earlier=folder / "gan.h5")
    return folder / "work"


@pytest.fixture
def built(plan, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "work")
    return collected(plan, tmp_path / "work", tmp_path / "gan.h5")


def test_every_training_is_that_of_its_architecture_and_seed(plan, built):
    rows = plan.rows(0)
    assert len(rows) == 5
    assert set(plan.rows(3)) < set(rows)
    assert {seed: sorted(of) for seed, of in built.items()} == {0: rows.tolist(), 3: plan.rows(3).tolist()}
    for seed in plan.seeds:
        alone = train_gans(
            plan.architectures[plan.rows(seed)],
            "gan_two_cells",
            TINY,
            data=get_gan_data("mnist1d").load(),
            classifier=load_classifier(classifier_path("mnist1d")),
            seed=seed,
        )
        for at, row in enumerate(plan.rows(seed).tolist()):
            for name in CURVES:
                found = built[seed][row].curves[name]
                np.testing.assert_allclose(found, getattr(alone, name)[at], rtol=1e-3, err_msg=name)


def test_a_build_goes_on_where_it_was_killed(plan, built, tmp_path, monkeypatch):
    files = sorted((tmp_path / "work").iterdir())
    kept = {file: file.read_bytes() for file in files}
    files[1].unlink()
    trained = []
    real = build.train_block
    monkeypatch.setattr(
        build, "train_block", lambda block, *how: trained.append(block.file) or real(block, *how)
    )
    counts = []
    build_gans(
        plan, tmp_path / "work", earlier=tmp_path / "none.h5", progress=lambda *now: counts.append(now)
    )
    assert trained == [files[1].name]
    assert counts[0][1] == 7
    assert counts[-1] == (7, 7)
    again = collected(plan, tmp_path / "work", tmp_path / "none.h5")
    for seed, of in built.items():
        for row, one in of.items():
            np.testing.assert_array_equal(again[seed][row].curves["inception"], one.curves["inception"])
    assert {file: file.read_bytes() for file in files if file != files[1]} == {
        file: content for file, content in kept.items() if file != files[1]
    }


def test_what_a_file_holds_is_not_trained_again(plan, built, tmp_path):
    write_gan_file(as_gan_file(plan, built), tmp_path / "gan.h5")
    build_gans(plan, tmp_path / "empty", earlier=tmp_path / "gan.h5")
    assert not (tmp_path / "empty").exists()
    again = collected(plan, tmp_path / "empty", tmp_path / "gan.h5")
    write_gan_file(as_gan_file(plan, again), tmp_path / "again.h5")
    assert (tmp_path / "again.h5").read_bytes() == (tmp_path / "gan.h5").read_bytes()


def test_a_table_is_made_of_the_file(plan, built, tmp_path, monkeypatch):
    sheet = datasheets()["gan-mnist1d"]
    target = tmp_path / "tabular" / sheet.name
    target.mkdir(parents=True)
    write_gan_file(as_gan_file(plan, built), target / "gan.h5")
    monkeypatch.setattr(gan, "content_root", lambda: tmp_path)
    table = gan.from_trainings(sheet, "gan/mnist1d")
    rows = table.row_index.rows(plan.architectures[plan.rows(0)])
    distances = table.columns["frechet_valid"][rows]
    expected = [
        [
            built[seed][row].curves["frechet_valid"] if row in built[seed] else [np.nan] * 2
            for seed in plan.seeds
        ]
        for row in plan.rows(0).tolist()
    ]
    np.testing.assert_allclose(distances, expected, rtol=1e-6)
    assert list(table.epochs) == [2, 4]
    (target / "gan.h5").unlink()
    with pytest.raises(NasbenchSuiteError, match="nasbench-suite build tabular/gan-mnist1d"):
        gan.from_trainings(sheet, "gan/mnist1d")


def test_blocks_of_another_recipe_are_refused(plan, built, tmp_path):
    (tmp_path / "gan.toml").write_text(PLAN.replace("tiny", "other"))
    other = read_gan_plan(tmp_path / "gan.toml")
    with pytest.raises(NasbenchSuiteError, match="another build"):
        build_gans(other, tmp_path / "work", earlier=tmp_path / "gan.h5")
    write_gan_file(as_gan_file(plan, built), tmp_path / "gan.h5")
    with pytest.raises(NasbenchSuiteError, match=r"gan\.h5 is of another build"):
        build_gans(other, tmp_path / "empty", earlier=tmp_path / "gan.h5")


def test_damage_is_said_and_nothing_is_lost(plan, built, tmp_path):
    block = min((tmp_path / "work").iterdir())
    block.write_bytes(block.read_bytes()[:-40])
    with pytest.raises(DamagedFileError, match="remove it, and the same command trains its block again"):
        collected(plan, tmp_path / "work", tmp_path / "gan.h5")
    path = tmp_path / "gan.h5"
    write_gan_file(as_gan_file(plan, built), path)
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match="truncated or corrupt"):
        read_gan_file(path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ran_on": lambda a: a + 5}, "no environment"),
        ({"genes": lambda a: a[:, :3]}, "genes is"),
        ({"train_seconds": lambda a: -a - 1}, "negative"),
    ],
)
def test_content_that_contradicts_itself_is_refused(plan, built, wrong, message):
    content = as_gan_file(plan, built)
    ((name, change),) = wrong.items()
    with pytest.raises(ValueError, match=message):
        replace(content, **{name: change(getattr(content, name)).astype(getattr(content, name).dtype)})


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("[0, 3]", "[0, 0]", NasbenchSuiteError, "different"),
        ('"gan_two_cells"', '"macro"', NasbenchSuiteError, "no generators"),
        ('"tiny"', '"long"', NasbenchSuiteError, "long"),
        ("block = 2", "block = 0", CardError, "block"),
    ],
)
def test_plans_that_cannot_be_are_refused(plan, tmp_path, old, new, error, message):
    (tmp_path / "gan.toml").write_text(PLAN.replace(old, new))
    with pytest.raises(error, match=message):
        read_gan_plan(tmp_path / "gan.toml")


def test_the_command_refuses_what_it_cannot_do(tmp_path):
    (tmp_path / "gan.toml").write_text(PLAN.replace("tiny", "gan-short"))
    done = subprocess.run(
        [sys.executable, "-m", "nasbench_suite.cli", "build", str(tmp_path), "--save-partial"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NASBENCH_SUITE_DATA": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.strip() == "error: nothing of gans is trained yet; run the build first."


def test_the_shipped_plan_is_what_the_shipped_file_answers():
    sheet = datasheets()["gan-mnist1d"]
    content = read_gan_file(gan.trainings_path(sheet))
    plan = read_gan_plan(gan.trainings_path(sheet).with_name("gan.toml"))
    assert content.description.request == plan.request
    assert content.description.asked == [2592, 300]
    space = get_space(plan.space)
    assert np.isin(space.encode(content.genes[content.ran_on[1] >= 0]), plan.rows(1)).all()
    assert content.description.steps == list(range(300, 2401, 300))
