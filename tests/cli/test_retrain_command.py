"""`leaderboard retrain` as a user runs it, where every training is there already."""

import json
import shutil

import pytest

from nasbench_suite.content import content_root

BOARD = "cifar10-retrained"


@pytest.fixture
def first_study(tmp_path):
    """A folder with the first study of the shipped board, which is finished, and its trainings."""
    home, folder = content_root() / "leaderboards" / BOARD, tmp_path / "board"
    folder.mkdir()
    parts = (home / "retrained.toml").read_text().split("[[studies]]")
    (folder / "retrained.toml").write_text("[[studies]]".join(parts[:2]))
    shutil.copy(home / "trainings.json", folder)
    return folder


def test_published_curves_are_taken_from_the_archive(cli, first_study, shared_data, tmp_path):
    archive = shared_data / "nats_official_sample" / "NATS-tss-v1_0-3ffb9-simple"
    asked = ("leaderboard", "retrain", first_study, "--json", "--quiet")
    without = json.loads(cli(*asked))
    assert [row["published_in_training"] for row in without] == [[], [], []]
    rows = json.loads(cli(*asked, "--published", archive))
    assert {row["architecture"]: row["published_in_training"] for row in rows} == {
        "0": [64.972, 63.92],
        "11": [62.452, 64.44],
        "284": [73.084, 75.54],
    }
    page = (first_study / "retrained.md").read_text()
    assert "| 64.97, 63.92; 63.66, 61.72 |" in page
    assert json.loads(cli(*asked)) == rows  # they are kept
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(first_study / "trainings.json", out)
    assert json.loads(cli(*asked, "--out", out)) == rows  # and found where the rules lie


def test_a_board_that_is_not_finished_is_written_without_training(cli, tmp_path):
    home, out = content_root() / "leaderboards" / BOARD, tmp_path / "out"
    out.mkdir()
    shutil.copy(home / "trainings.json", out)
    said = cli("leaderboard", "retrain", BOARD, "--no-train", "--device", "cuda", "--out", out)
    assert "86.05, 86.02, 86.07" in said
    for name in ("trainings.json", "retrained.md", "retrained.svg"):
        assert (out / name).read_bytes() == (home / name).read_bytes()


def test_a_folder_that_is_no_archive_is_refused_in_a_sentence(cli, first_study, tmp_path):
    before = (first_study / "trainings.json").read_bytes()
    said = cli("leaderboard", "retrain", first_study, "--published", tmp_path, code=2)
    assert "has no meta.pickle.pbz2" in said
    assert sorted(path.name for path in first_study.iterdir()) == ["retrained.toml", "trainings.json"]
    assert (first_study / "trainings.json").read_bytes() == before
