"""Records of runs against brute force in plain Python."""

import math
import random
from dataclasses import replace

import h5py
import numpy as np
import pytest

from nasbench_suite import NasbenchSuiteError, Runs, get_space
from nasbench_suite.errors import DamagedFileError


def made_runs(seed, *, runs=7, steps=30, maximise=True, seconds=True):
    """Random records of different lengths with ties, missing results and free duplicates."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, steps + 1, size=runs)
    length[0] = steps
    there = np.arange(steps) < length[:, None]
    valid = rng.integers(0, 12, size=(runs, steps)) / 10
    valid[rng.random(valid.shape) < 0.3] = np.nan
    valid[1] = np.nan
    space = get_space("nats_topology")
    genes = space.sample(rng, runs * steps).reshape(runs, steps, -1)
    cost = np.where(there, rng.random((runs, steps)), np.nan)
    return Runs(
        request={"space": "nats_topology", "maximise": maximise, "seed": seed, "runs": runs, "block": 0},
        genes=np.where(there[:, :, None], genes, 0).astype(np.uint8),
        valid=np.where(there, valid, np.nan),
        length=length,
        counted=there & (rng.random(there.shape) < 0.8),
        seconds=cost if seconds else None,
        search_seconds=2 * cost if seconds else None,
        epochs=np.where(there, 12, 0).astype(np.int32),
    )


def brute_force(runs, run):
    """Incumbent, counted evaluations and clock after every step of a run."""
    best, evaluations, clock = -1, 0, 0.0
    for step in range(runs.valid.shape[1]):
        if step < runs.length[run]:
            value = runs.valid[run, step].item()
            evaluations += bool(runs.counted[run, step])
            clock += runs.seconds[run, step].item()
            if not math.isnan(value):
                held = runs.valid[run, best].item()
                if best < 0 or (value > held if runs.maximise else value < held):
                    best = step
        yield best, evaluations, clock


@pytest.mark.parametrize("maximise", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_incumbents_evaluations_and_clock(seed, maximise):
    runs = made_runs(seed, maximise=maximise)
    expected = [list(brute_force(runs, run)) for run in range(len(runs.length))]
    best, evaluations, clock = np.moveaxis(np.array(expected), 2, 0)
    assert np.array_equal(runs.incumbents(), best)
    assert np.array_equal(runs.evaluations(), evaluations)
    np.testing.assert_allclose(runs.clock(), clock, rtol=1e-12)


def test_the_clock_is_unknown_where_costs_are():
    assert made_runs(0, seconds=False).clock() is None


@pytest.mark.parametrize("maximise", [True, False])
def test_frame_has_a_row_per_proposal(maximise):
    runs = made_runs(1, maximise=maximise)
    frame = runs.frame()
    assert len(frame) == runs.length.sum()
    rows = iter(frame.to_dict("records"))
    for run in range(len(runs.length)):
        states = list(brute_force(runs, run))[: runs.length[run]]
        for step, (best, evaluations, clock) in enumerate(states):
            row = next(rows)
            assert (row["run"], row["step"], row["evaluation"]) == (run, step, evaluations)
            assert row["architecture"] == get_space("nats_topology").format(runs.genes[run, [step]])[0]
            incumbent = runs.valid[run, best] if best >= 0 else np.nan
            np.testing.assert_equal(row["valid"], runs.valid[run, step])
            np.testing.assert_equal(row["incumbent_valid"], incumbent)
            assert row["seconds"] == pytest.approx(clock)
            assert row["search_seconds"] == runs.search_seconds[run, step]


def test_frame_leaves_out_what_is_unknown_or_unwanted():
    columns = set(made_runs(2, seconds=False).frame(architectures=False).columns)
    assert columns == {"run", "step", "evaluation", "valid", "incumbent_valid"}


@pytest.mark.parametrize("seconds", [True, False])
def test_a_record_is_read_back_as_it_was(tmp_path, seconds):
    runs = made_runs(3, seconds=seconds)
    runs.save(tmp_path / "runs.h5")
    found = Runs.load(tmp_path / "runs.h5")
    assert found.request == runs.request
    assert found.sha256() == runs.sha256()
    for name in ("genes", "valid", "length", "counted", "seconds", "search_seconds", "epochs"):
        given, kept = getattr(runs, name), getattr(found, name)
        assert (given is None) == (kept is None)
        if given is not None:
            np.testing.assert_array_equal(kept, given)
            assert kept.dtype == given.dtype


@pytest.mark.parametrize("name", ["genes", "valid", "length", "counted", "seconds", "epochs"])
def test_the_checksum_covers_every_array_and_the_request(name):
    runs, other = made_runs(4), made_runs(4)
    assert runs.sha256() == other.sha256()
    array = getattr(other, name)
    array.flat[0] = not array.flat[0]
    assert runs.sha256() != other.sha256()
    other = made_runs(4)
    other.request["seed"] = 5
    assert runs.sha256() != other.sha256()


@pytest.fixture
def path(tmp_path):
    made_runs(5).save(tmp_path / "runs.h5")
    return tmp_path / "runs.h5"


@pytest.mark.parametrize("name", ["genes", "valid", "length", "counted", "seconds", "epochs"])
def test_a_changed_value_is_noticed(path, name):
    with h5py.File(path, "r+") as file:
        values = file[name][:]
        values.flat[3] = not values.flat[3]
        file[name][...] = values
    with pytest.raises(DamagedFileError, match=r"runs\.h5 is truncated or corrupt"):
        Runs.load(path)


def test_a_changed_request_is_noticed(path):
    with h5py.File(path, "r+") as file:
        file.attrs["request"] = file.attrs["request"].replace('"seed": 5', '"seed": 6')
    with pytest.raises(DamagedFileError):
        Runs.load(path)


@pytest.mark.parametrize("missing", ["genes", "valid", "length", "counted"])
def test_a_missing_array_is_noticed(path, missing, edited):
    with edited(path) as file:
        del file[missing]
    with pytest.raises(DamagedFileError):
        Runs.load(path)


def test_an_additional_array_is_noticed(path):
    with h5py.File(path, "r+") as file:
        file["more"] = [1]
    with pytest.raises(DamagedFileError):
        Runs.load(path)


def test_a_missing_or_other_request_is_noticed(path, edited):
    with edited(path) as file:
        file.attrs["request"] = 7
    with pytest.raises(DamagedFileError):
        Runs.load(path)
    for text in ("[]", "{}", '{"space": "macro"}', "no JSON"):
        with edited(path) as file:
            file.attrs["request"] = text
        with pytest.raises(DamagedFileError):
            Runs.load(path)
    with edited(path) as file:
        del file.attrs["request"]
    with pytest.raises(DamagedFileError):
        Runs.load(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("genes", np.zeros((7, 30), np.uint8)),
        ("genes", np.zeros((7, 30, 6))),
        ("valid", np.zeros((6, 30))),
        ("valid", np.zeros(7)),
        ("valid", np.full((7, 30), b"1")),
        ("length", np.full(7, 31)),
        ("length", np.full(7, -1)),
        ("length", 7),
        ("counted", np.ones((7, 30))),
        ("seconds", np.zeros((7, 31))),
        ("endings", np.full(7, "none", object)),
        ("finding sizes", np.zeros(6)),
        ("finding names", np.full(7, "none", object)),
    ],
)
def test_arrays_of_another_form_are_refused_though_the_seal_holds(path, edited, name, values):
    with edited(path) as file:
        file.pop(name, None)
        file[name] = values
    with pytest.raises(DamagedFileError):
        Runs.load(path)


@pytest.mark.parametrize("share", [0, 0.01, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(DamagedFileError):
        Runs.load(path)


def test_a_flipped_byte_anywhere_is_noticed_or_harmless(path, readings_of_flipped):
    stated = Runs.load(path).sha256()
    positions = random.Random(1).sample(range(6000), 600)  # where HDF5 keeps names, types and attributes
    found = readings_of_flipped(path, "nasbench_suite.runs:Runs.load", positions)
    assert set(found.values()) <= {"refused", f"read {stated}"}
    assert len(found) == len(positions)


def test_a_record_without_epochs_is_of_full_trainings_and_is_read_back(tmp_path):
    made = made_runs(5)
    own = Runs(made.request, made.genes, made.valid, made.length, made.counted)
    own.save(tmp_path / "own.h5")
    again = Runs.load(tmp_path / "own.h5")
    assert again.sha256() == own.sha256()
    assert again.epochs.shape == (7, 30)
    assert not again.epochs.any()


def test_an_absent_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"absent\.h5"):
        Runs.load(tmp_path / "absent.h5")


def test_blocks_are_joined_along_the_runs_and_padded():
    parts = [made_runs(6, runs=3, steps=10), made_runs(7, runs=2, steps=25), made_runs(8, runs=4, steps=17)]
    whole = Runs.concatenate(parts)
    assert whole.request["runs"] == 9
    assert "block" not in whole.request
    first = 0
    for part in parts:
        n, steps = part.valid.shape
        rows = slice(first, first + n)
        np.testing.assert_array_equal(whole.length[rows], part.length)
        np.testing.assert_array_equal(whole.incumbents()[rows, :steps], part.incumbents())
        np.testing.assert_array_equal(whole.valid[rows, :steps], part.valid)
        np.testing.assert_array_equal(whole.genes[rows, :steps], part.genes)
        np.testing.assert_array_equal(whole.clock()[rows, -1], part.clock()[:, -1])
        assert np.isnan(whole.valid[rows, steps:]).all()
        assert not whole.genes[rows, steps:].any()
        first += n
    assert len(whole.frame()) == sum(part.length.sum() for part in parts)


def with_endings(seed, endings):
    runs = made_runs(seed, runs=len(endings))
    found = np.random.default_rng(seed).random((len(endings), 4))
    kept = None if not any(endings) else np.array([reason.encode() for reason in endings])
    return replace(runs, endings=kept, findings={"of it": found})


def test_endings_and_findings_come_back_and_are_joined(tmp_path):
    blocks = [with_endings(1, ["", "", ""]), with_endings(2, ["the loss became nan in epoch 3", "übrig"])]
    joined = Runs.concatenate(blocks)
    joined.save(tmp_path / "runs.h5")
    read = Runs.load(tmp_path / "runs.h5")
    assert [reason.decode() for reason in read.endings] == [""] * 3 + [
        "the loss became nan in epoch 3",
        "übrig",
    ]
    assert np.array_equal(read.findings["of it"], np.concatenate([b.findings["of it"] for b in blocks]))
    assert read.sha256() == joined.sha256()
    assert read.sha256() != Runs.concatenate(blocks[::-1]).sha256()


def test_the_checksum_leaves_out_measured_seconds_and_nothing_else():
    runs = with_endings(1, ["", "x"])
    assert replace(runs, search_seconds=2 * runs.search_seconds).sha256() == runs.sha256()
    assert replace(runs, seconds=2 * runs.seconds).sha256() != runs.sha256()
    assert replace(runs, endings=np.array([b"", b"y"])).sha256() != runs.sha256()
    assert replace(runs, findings={"of it": runs.findings["of it"] + 1}).sha256() != runs.sha256()


def test_the_last_proposal_is_the_incumbent_where_results_are_not_used():
    runs = made_runs(3)
    runs.request["incumbent"] = "last"
    last = np.minimum(np.arange(30)[None], runs.length[:, None] - 1)
    assert np.array_equal(runs.incumbents(), last)
