"""Learning curves in TensorBoard's files, read back by TensorBoard."""

import sys

import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.event_log import write_events


@pytest.fixture
def curves():
    made = LearningCurves.empty(2, 4)
    rng = np.random.default_rng(0)
    for name in ("train_accuracy", "train_loss", "test_accuracy", "test_loss", "train_seconds"):
        getattr(made, name)[1, :3] = rng.random(3)
    return LearningCurves(**{**vars(made), "failures": ("", "the loss became nan")})


def test_tensorboard_reads_what_was_written(curves, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(write_events(curves, 1, tmp_path / "a")))
    log.Reload()
    tags = log.Tags()
    expected = {"accuracy/train", "loss/train", "accuracy/test", "loss/test", "seconds/train"}
    assert set(tags["scalars"]) == expected  # no split without inputs
    for tag in expected - {"seconds/train"}:
        kind, split = tag.split("/")
        events = log.Scalars(tag)
        assert [event.step for event in events] == [1, 2, 3]  # the fourth epoch was not reached
        written = getattr(curves, f"{split}_{kind}")[1, :3]
        assert np.allclose([event.value for event in events], written, rtol=1e-6)
    assert tags["tensors"] == ["failure/text_summary"]


def test_without_tensorboard_a_sentence_says_so(curves, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(NasbenchSuiteError, match="tensorboard is not installed; pip install tensorboard"):
        write_events(curves, 0, tmp_path)
