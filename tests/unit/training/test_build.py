"""Builds: the same numbers on any executor, nothing lost and nothing mixed, and every obstacle a sentence."""

import errno
import multiprocessing
import threading
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields, replace

import numpy as np
import pytest

from nasbench_suite import get_space, storage
from nasbench_suite.cards import CardError
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError, UnknownNameError
from nasbench_suite.tabular.curve_file import read_curve_file
from nasbench_suite.training import build as building
from nasbench_suite.training.blocks import read_block, store_block
from nasbench_suite.training.build import build, collect, gather, read_plan, save_curves
from nasbench_suite.training.collected import EarlierCurves
from nasbench_suite.training.groups import train_all
from nasbench_suite.training.recipes import get_recipe

RESULTS = [f"{split}_{what}" for split in ("train", "valid", "test") for what in ("accuracy", "loss")]


@pytest.fixture(scope="module")
def plan(tmp_path_factory, tiny_plan):
    path = tmp_path_factory.mktemp("plan") / "build.toml"
    path.write_text(tiny_plan)
    return read_plan(path)


@pytest.fixture(scope="module")
def built(plan, tmp_path_factory):
    """A folder with every block of the plan, trained in this process. Not to be changed."""
    folder = tmp_path_factory.mktemp("built")
    build(plan, folder)
    return folder


@pytest.fixture
def copied(built, tmp_path):
    """A copy of that folder, to be changed."""
    folder = tmp_path / "work"
    folder.mkdir()
    for path in built.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def results(plan, folder, earlier=None):
    """Every result of a build, as bytes."""
    parts = collect(plan, folder, earlier)
    return [getattr(part.curves, name).tobytes() for part in parts for name in RESULTS]


@pytest.fixture
def trained(monkeypatch):
    """The files of the blocks that are trained from here on."""
    files = []
    train_block = building.train_block

    def note(block, folder, device):
        files.append(block.file)
        return train_block(block, folder, device)

    monkeypatch.setattr(building, "train_block", note)
    return files


# -- what is trained -----------------------------------------------------------------------------


def test_the_blocks_of_a_plan_are_its_architectures_once_with_the_first_seed_and_some_with_the_others(plan):
    blocks = plan.blocks()
    assert [(block.seed, len(block.rows)) for block in blocks] == [(0, 2), (0, 2), (0, 2), (1, 2)]
    first = np.concatenate([block.rows for block in blocks if block.seed == 0])
    assert len(set(first.tolist())) == 6
    assert set(blocks[-1].rows.tolist()) < set(first.tolist())


def test_a_plan_without_limit_and_sample_trains_every_class_with_every_seed(plan):
    whole = plan.model_copy(update={"limit": 0, "sample": 0, "block": 1000})
    space = get_space("nats_topology")
    assert len(plan.architectures) == space.distinct == 6466
    assert np.array_equal(space.canonical(plan.architectures), plan.architectures)
    for seed in plan.seeds:
        assert np.array_equal(whole.rows(seed), np.arange(6466))


def test_what_comes_of_a_block_is_what_the_trainer_gives(plan, built):
    block = plan.blocks()[1]
    curves = train_all(
        plan.space,
        block.genes,
        plan.skeleton.skeleton(),
        plan.load_data("cpu"),
        get_recipe(plan.recipe),
        seed=0,
    )
    stored = read_block(block, built).curves
    for name in RESULTS:
        assert np.array_equal(getattr(stored, name), getattr(curves, name))


def test_blocks_for_a_gpu_are_what_trains_together_there(plan):
    whole = plan.model_copy(update={"limit": 0, "sample": 0})
    assert [len(block.rows) for block in whole.for_device("cuda").blocks()] == [3233] * 4
    asked = whole.model_dump()  # the plan says what is asked for, wherever it is trained
    assert whole.for_device("cuda").model_dump() == asked
    assert len(whole.for_device("cpu").blocks()[0].rows) == whole.block
    larger = whole.model_copy(update={"block": 5000})
    assert [len(block.rows) for block in larger.for_device("cuda").blocks()] == [5000, 1466] * 2
    skeleton = whole.skeleton.model_copy(update={"style": "official"})
    alone = whole.model_copy(update={"skeleton": skeleton})  # trained one by one, so no block gains by size
    assert len(alone.for_device("cuda").blocks()[0].rows) == whole.block


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ('recipe = "shirt"', UnknownNameError, "short"),
        ('space = "nats_topologie"', UnknownNameError, "nats_topology"),
        ('space = "darts_cell"', NasbenchSuiteError, "too large"),
        ('style = "lite"', NasbenchSuiteError, "lite"),
        ("seeds = [0, 0]", NasbenchSuiteError, "different"),
        ("seeds = [-1]", NasbenchSuiteError, "at least 0"),
        ("seeds = []", CardError, "seeds"),
        ("block = 0", CardError, "block"),
        ("blok = 2", CardError, "did you mean block"),
    ],
)
def test_a_wrong_plan_is_said_before_anything_is_trained(tmp_path, tiny_plan, line, error, words):
    key = line.split(" = ")[0]
    lines = [line if old.startswith(f"{key} ") else old for old in tiny_plan.splitlines()]
    path = tmp_path / "build.toml"
    path.write_text("\n".join(lines if line in lines else [line, *lines]))
    with pytest.raises(error, match=words):
        read_plan(path)


def test_a_skeleton_for_other_data_is_refused(plan):
    wrong = plan.model_copy(update={"skeleton": plan.skeleton.model_copy(update={"classes": 3})})
    with pytest.raises(NasbenchSuiteError, match="3 classes, but mnist1d has 1, 1 and 10"):
        wrong.check(plan.load_data("cpu"))
    plan.check(plan.load_data("cpu"))


def test_what_a_killed_process_wrote_of_a_block_goes_when_it_is_trained_again(plan, tmp_path):
    aside = tmp_path / f".{plan.blocks()[0].file}.abcdefgh.part"
    aside.write_bytes(b"half of it")
    build(plan, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(block.file for block in plan.blocks())


# -- executors -----------------------------------------------------------------------------------


def test_two_processes_give_the_same_bytes_as_one(plan, built, tmp_path):
    counts = []
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        build(plan, tmp_path, executor=executor, progress=lambda done, total: counts.append((done, total)))
    assert results(plan, tmp_path) == results(plan, built)
    assert counts[0] == (0, 8)
    assert counts[-1] == (8, 8)
    assert [done for done, _ in counts] == sorted(done for done, _ in counts)


class Answering(Executor):
    """An executor whose every answer is an exception."""

    def __init__(self, problem):
        self.problem = problem

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_exception(self.problem)
        return future


class KilledWorker(Exception):  # noqa: N818  # Dask's name
    pass


KilledWorker.__module__ = "distributed.scheduler"


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (BrokenProcessPool("gone"), "a worker process died"),
        (CancelledError(), "the connection to the scheduler was lost"),
        (KilledWorker("again and again"), "workers died again and again"),
        (NasbenchSuiteError("cannot write x: the disk is full."), "the disk is full"),
    ],
)
@pytest.mark.parametrize("begun", [False, True])
def test_what_an_executor_raises_becomes_a_sentence(plan, copied, problem, words, begun):
    for path in list(copied.iterdir())[1 if begun else 0 :]:
        path.unlink()
    with pytest.raises(NasbenchSuiteError, match=words):
        build(plan, copied, executor=Answering(problem))
    assert len(list(copied.iterdir())) == begun


def test_a_defect_of_the_trainer_is_no_sentence(plan, tmp_path):
    with pytest.raises(ZeroDivisionError):
        build(plan, tmp_path, executor=Answering(ZeroDivisionError()))


def test_a_folder_that_workers_do_not_share_is_said(plan, tmp_path, monkeypatch):
    class Elsewhere(Executor):
        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            future.set_result(2)
            return future

    monkeypatch.setattr(building, "_SECONDS_UNTIL_SEEN", 0.0)
    with pytest.raises(NasbenchSuiteError, match="a folder that all machines share"):
        build(plan, tmp_path, executor=Elsewhere())


def test_an_interrupt_keeps_the_blocks_that_are_being_trained_and_begins_no_other(plan, tmp_path):
    class Slow(Executor):
        """One block is running, the others wait; the interrupt comes when the first is awaited."""

        def __init__(self):
            self.futures = []

        def submit(self, fn, /, *args, **kwargs):
            future = Future()
            self.futures.append(future)
            if len(self.futures) == 1:
                future.set_result(fn(*args, **kwargs))
            elif len(self.futures) == 2:
                future.set_running_or_notify_cancel()
                self.finish = lambda: future.set_result(fn(*args, **kwargs))
            return future

    executor, said = Slow(), []

    def interrupt(done, total):
        if done:
            raise KeyboardInterrupt

    def notice(sentence):
        said.append(sentence)
        threading.Timer(0.2, executor.finish).start()

    with pytest.raises(KeyboardInterrupt):
        build(plan, tmp_path, executor=executor, progress=interrupt, notice=notice)
    assert said == ["waiting for 1 blocks that are being trained, so that they are kept"]
    assert [future.cancelled() for future in executor.futures] == [False, False, True, True]
    assert len(list(tmp_path.iterdir())) == 2


# -- going on ------------------------------------------------------------------------------------


def test_a_block_that_is_there_is_not_trained_again(plan, built, copied, trained):
    (copied / "seed-0-block-0001.npz").unlink()
    build(plan, copied, notice=lambda sentence: None)
    assert trained == ["seed-0-block-0001.npz"]
    assert results(plan, copied) == results(plan, built)
    build(plan, copied)
    assert len(trained) == 1


def test_a_block_of_another_trainer_is_found_out_before_anything_is_mixed_with_it(plan, copied, trained):
    block = plan.blocks()[0]
    stored = read_block(block, copied)
    accuracy = stored.curves.valid_accuracy.copy()
    accuracy[1, 4] += 1 / 150
    store_block(block, replace(stored.curves, valid_accuracy=accuracy), copied, stored.ran_on)
    (copied / "seed-0-block-0001.npz").unlink()
    with pytest.raises(NasbenchSuiteError, match="get other accuracies when they are trained again"):
        build(plan, copied)
    assert not trained
    build(plan, copied, verify=False)
    assert trained == ["seed-0-block-0001.npz"]


def test_what_a_file_of_curves_holds_is_not_trained_again(plan, built, tmp_path, trained):
    path = tmp_path / "curves.h5"
    save_curves(plan, built, path)
    build(plan, tmp_path / "empty", earlier=path)
    assert not trained
    before = collect(plan, built)
    after = collect(plan, tmp_path / "empty", path)
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(old.rows, new.rows)
        assert old.ran_on == new.ran_on
        for field in fields(old.curves):
            if field.name != "failures":
                found, expected = getattr(new.curves, field.name), getattr(old.curves, field.name)
                assert found == pytest.approx(expected, rel=1e-6, nan_ok=True)
    whole = path.read_bytes()
    save_curves(plan, tmp_path / "empty", path)
    assert path.read_bytes() == whole


def test_an_incomplete_file_of_curves_is_gone_on_from_elsewhere(plan, built, copied, tmp_path, trained):
    for name in ("seed-0-block-0002.npz", "seed-1-block-0000.npz"):
        (copied / name).unlink()
    path = tmp_path / "curves.h5"
    with pytest.raises(NasbenchSuiteError, match="4 trainings are missing"):
        save_curves(plan, copied, path)
    assert not path.exists()
    partial = save_curves(plan, copied, path, partial=True)
    assert not partial.is_complete
    assert partial.progress() == "seed 0: 4 of 6 trainings; seed 1: 0 of 2 trainings"
    elsewhere = tmp_path / "elsewhere"
    build(plan, elsewhere, earlier=path)
    assert trained == ["seed-0-block-0002.npz", "seed-1-block-0000.npz"]
    assert save_curves(plan, elsewhere, path).is_complete
    assert read_curve_file(path).trained() == [6, 2]
    found = [part.curves.valid_accuracy for part in collect(plan, elsewhere, path)]
    expected = [part.curves.valid_accuracy for part in collect(plan, built)]
    assert np.allclose(np.concatenate(found), np.concatenate(expected), atol=1e-7)


def test_parts_of_blocks_in_a_file_of_curves_stay_in_it(plan, built, tmp_path):
    path = tmp_path / "curves.h5"
    save_curves(plan, built, path)
    whole = plan.model_copy(update={"block": 1000, "limit": 0, "sample": 0})
    found = save_curves(whole, tmp_path / "empty", path, partial=True)
    assert found.trained() == [6, 2]
    assert found.description.asked == [6466, 6466]
    assert not EarlierCurves(path, whole).has(whole.blocks()[0])


@pytest.mark.parametrize("change", [{"seeds": [0]}, {"limit": 5}, {"sample": 1}])
def test_trainings_that_the_plan_does_not_ask_for_any_more_are_not_thrown_away(plan, built, tmp_path, change):
    path = tmp_path / "curves.h5"
    save_curves(plan, built, path)
    whole = path.read_bytes()
    with pytest.raises(NasbenchSuiteError, match="trainings that the plan does not ask for"):
        save_curves(plan.model_copy(update=change), tmp_path / "empty", path, partial=True)
    assert path.read_bytes() == whole


def test_nothing_trained_yet_is_no_file(plan, tmp_path):
    with pytest.raises(NasbenchSuiteError, match="nothing is trained yet"):
        save_curves(plan, tmp_path, tmp_path / "curves.h5", partial=True)
    assert [len(part.rows) for part in gather(plan, tmp_path)] == [0, 0]


def test_blocks_and_curves_of_another_build_are_refused(plan, built, tmp_path):
    path = tmp_path / "curves.h5"
    save_curves(plan, built, path)
    other = plan.model_copy(update={"data": plan.data.model_copy(update={"seed": 43})})
    with pytest.raises(DamagedFileError, match=r"seed-0-block-0000.npz is of another build"):
        build(other, built)
    with pytest.raises(NasbenchSuiteError, match=r"curves.h5 is of another build"):
        build(other, tmp_path / "empty", earlier=path)


def test_which_trainings_there_are_does_not_make_another_build(plan, built, tmp_path):
    path = tmp_path / "curves.h5"
    save_curves(plan, built, path)
    more = plan.model_copy(update={"seeds": [1, 0, 2], "sample": 0, "limit": 7, "task": "a/b"})
    assert EarlierCurves(path, more).file is not None


# -- damage and obstacles ------------------------------------------------------------------------


def test_a_damaged_block_is_a_sentence_wherever_the_damage_is(plan, copied):
    block, path = plan.blocks()[0], copied / "seed-0-block-0000.npz"
    whole, before = path.read_bytes(), read_block(plan.blocks()[0], copied)
    damages = [b"", whole[: len(whole) // 2], b"x" * len(whole), whole[:-1]]
    damages += [whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :] for at in range(0, len(whole), 97)]
    for damaged in damages:
        path.write_bytes(damaged)
        assert reading(block, copied, before) in ("refused", "the same")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedFileError, match="remove it, and the same command trains its block again"):
        build(plan, copied)


def reading(block, folder, before):
    """What comes of reading a block; one changed where no reader looks is the same as before."""
    try:
        stored = read_block(block, folder)
    except DamagedFileError:
        return "refused"
    arrays = [field.name for field in fields(stored.curves) if field.name != "failures"]
    pairs = ((getattr(stored.curves, name), getattr(before.curves, name)) for name in arrays)
    return "the same" if all(np.array_equal(*pair, equal_nan=True) for pair in pairs) else "something else"


@pytest.mark.parametrize("what", ["epochs", "rows", "type"])
def test_a_block_of_other_shapes_is_refused(plan, copied, what):
    block = plan.blocks()[0]
    stored = read_block(block, copied)
    loss = stored.curves.test_loss
    wrong = {"epochs": loss[:, :-1], "rows": loss[:1], "type": loss.astype(np.float32)}[what]
    store_block(block, replace(stored.curves, test_loss=wrong), copied, {})
    with pytest.raises(DamagedFileError, match="of another build"):
        read_block(block, copied)


def test_blocks_that_do_not_say_what_they_ran_on_are_taken(plan, built, copied):
    for block in plan.blocks():
        stored = read_block(block, copied)
        assert stored.ran_on["device"] == "cpu"
        store_block(block, stored.curves, copied, {})
    parts = collect(plan, copied)
    assert all("not when it was trained" in where["recorded"] for part in parts for where in part.ran_on)


def test_a_full_disk_is_a_sentence_and_loses_nothing(plan, tmp_path, monkeypatch, trained):
    synced = []

    def fsync(descriptor):
        synced.append(descriptor)
        if len(synced) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage.os, "fsync", fsync)
    with pytest.raises(
        NasbenchSuiteError, match="the disk is full; free some space and run the same command again"
    ):
        build(plan, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "seed-0-block-0000.npz",
        "seed-0-block-0001.npz",
    ]
    build(plan, tmp_path, verify=False)
    assert trained[-2:] == ["seed-0-block-0002.npz", "seed-1-block-0000.npz"]


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_trained(plan, tmp_path, trained):
    (tmp_path / "file").write_text("")
    with pytest.raises(NasbenchSuiteError, match="a part of the path is a file, not a folder"):
        build(plan, tmp_path / "file" / "work")
    assert not trained


def test_a_device_that_is_not_there_is_a_sentence(plan, tmp_path):
    with pytest.raises(NasbenchSuiteError, match="there is no device 'tpu' here"):
        build(plan, tmp_path, device="tpu")
