"""Learning curves out of the benchmark's own archive, and those that a board keeps."""

import json
import shutil

import pytest

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.leaderboards.published_curves import PUBLISHED, keep_published, read_published
from nasbench_suite.leaderboards.retrained_rules import read_retrained_rules

BOARD = "cifar10-retrained"
WHOLE = {
    "task": "nats_topology/cifar10",
    "recipe": "nasbench201-12",
    "split": "test",
    "architecture": "0",
    "seed": 111,
    "epochs": [1, 2],
    "train_accuracy": [32.6, 44.3],
    "accuracy": [28.0, 35.1],
}


@pytest.fixture
def archive(shared_data):
    return shared_data / "nats_official_sample" / "NATS-tss-v1_0-3ffb9-simple"


def test_what_the_board_keeps_is_what_the_archive_says(archive, tmp_path):
    home, rules = read_retrained_rules(BOARD)
    found = keep_published(rules, archive, tmp_path)
    assert (tmp_path / PUBLISHED).read_bytes() == (home / PUBLISHED).read_bytes()
    assert read_published(tmp_path) == found
    # Epochs of the archive that were read by eye: cell 11, 200 epochs, seed 777, after 20 and after 200.
    (one,) = [c for c in found if (c.architecture, c.recipe, c.seed, c.split) == _CELL_11]
    at = one.epochs.index(20)
    assert [round(one.train_accuracy[at], 1), round(one.accuracy[at], 1)] == [71.8, 58.1]
    assert [one.epochs[-1], one.accuracy[-1], one.train_accuracy[-1]] == [200, 87.748, 99.74]


_CELL_11 = ("11", "nasbench201-200", 777, "valid")


def test_rules_may_have_the_mean_of_trainings_alone(archive, tmp_path):
    _, rules = read_retrained_rules(BOARD)
    study = rules.studies[2]
    ends = next(entry.results for entry in study.published if entry.architecture == "284")
    for result, words in ((sum(ends) / 3, ""), (sum(ends) / 3 + 0.02, r"ends at 86\.05 %, but .* 86\.07;")):
        entry = study.published[0].model_copy(update={"architecture": "284", "results": [result]})
        asked = rules.model_copy(update={"studies": [study.model_copy(update={"published": [entry]})]})
        if words:
            with pytest.raises(NasbenchSuiteError, match=words):
                keep_published(asked, archive, tmp_path)
        else:
            assert len(keep_published(asked, archive, tmp_path)) == 3


def test_rules_that_say_otherwise_than_the_archive_are_refused(archive, tmp_path):
    _, rules = read_retrained_rules(BOARD)
    study = rules.studies[0]
    entry = study.published[0].model_copy(update={"results": [64.02, 62.75]})
    wrong = rules.model_copy(update={"studies": [study.model_copy(update={"published": [entry]})]})
    words = r"000000\.pickle\.pbz2 ends at 62\.71, 64\.02 %, but the rules of the board say 62\.75, 64\.02"
    with pytest.raises(NasbenchSuiteError, match=words):
        keep_published(wrong, archive, tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_archive_without_these_trainings_is_refused(archive, tmp_path):
    _, rules = read_retrained_rules(BOARD)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(archive / "meta.pickle.pbz2", other)
    with pytest.raises(NasbenchSuiteError, match="has no record of the trainings of this board"):
        keep_published(rules, other, tmp_path)


def test_a_record_of_another_shape_is_refused(archive, tmp_path):
    _, rules = read_retrained_rules(BOARD)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(archive / "meta.pickle.pbz2", other)
    shutil.copy(archive / "meta.pickle.pbz2", other / "000000.pickle.pbz2")
    with pytest.raises(DamagedFileError, match=r"record 000000\.pickle\.pbz2 is damaged"):
        keep_published(rules, other, tmp_path)


def test_a_folder_without_curves_has_none(tmp_path):
    assert read_published(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[1]",
        "[{}]",
        json.dumps([WHOLE | {"accuracy": [28.0]}]),
        json.dumps([WHOLE | {"accuracy": [28.0, "high"]}]),
        json.dumps([WHOLE | {"epochs": [], "accuracy": [], "train_accuracy": []}]),
        json.dumps([WHOLE | {"more": 1}]),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / PUBLISHED).write_text(json.dumps([WHOLE]))
    assert [one.seed for one in read_published(tmp_path)] == [111]
    (tmp_path / PUBLISHED).write_text(content)
    with pytest.raises(DamagedFileError, match=r"published\.json is damaged"):
        read_published(tmp_path)
