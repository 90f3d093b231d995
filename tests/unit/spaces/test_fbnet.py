"""FBNet's space against the measured latencies of HELP, which tell what each number stands for."""

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.spaces.fbnet import OPERATIONS

TABULATED = ("pixel3", "raspi4", "eyeriss", "fpga")
"""Devices whose latencies HW-NAS-Bench sums up from a table of blocks."""
NAMES = "-".join([*OPERATIONS, *OPERATIONS, "skip", "k3_e1", "k5_e6", "k5_e3"])
NUMBERS = [*range(9), *range(9), 8, 0, 7, 6]


@pytest.fixture(scope="module")
def space():
    return get_space("fbnet")


@pytest.fixture(scope="module")
def measured(shared_data):
    with np.load(shared_data / "help" / "help_fbnet5000_latency_27dev.npz") as file:
        return dict(file)


def test_measured_networks_are_rows(space, measured):
    rows = measured["arch"].astype(np.uint8)
    assert rows.shape == (5_000, 22)
    assert np.array_equal(rows, measured["arch"])
    assert space.valid(rows).all()
    assert len(np.unique(space.key(rows))) == len(np.unique(rows, axis=0)) == 5_000
    used = [np.unique(column).tolist() for column in rows.T]
    assert used == [list(range(limit)) for limit in space.cardinalities]


def test_measured_lists_and_their_names_are_read(space, measured):
    rows = measured["arch"][:300].astype(np.uint8)
    assert np.array_equal([space.parse(str(row)) for row in rows.tolist()], rows)
    assert np.array_equal([space.parse(text) for text in space.format(rows)], rows)


def block_latencies(measured, device):
    """Latency (ms) of every layer's nine blocks by name, over the layer's `k3_e1`, by least squares."""
    latency = measured[device]
    one_hot = (measured["arch"][:, :, None] == np.arange(1, 9)).reshape(5_000, -1)
    columns = np.column_stack([one_hot, np.ones(5_000)])
    found, *_ = np.linalg.lstsq(columns, latency, rcond=None)
    assert np.abs(columns @ found - latency).max() < 1e-4 * latency.mean()  # sums of a table, nothing else
    layers = np.column_stack([np.zeros(22), found[:-1].reshape(22, 8)])
    return dict(zip(OPERATIONS, layers.T, strict=True))


@pytest.mark.parametrize("device", TABULATED)
def test_names_agree_with_what_blocks_cost(measured, device):
    cost = block_latencies(measured, device)
    for kernel in ("k3", "k5"):
        assert (cost[f"{kernel}_e1"] < cost[f"{kernel}_e3"]).all()
        assert (cost[f"{kernel}_e3"] < cost[f"{kernel}_e6"]).all()
        assert cost[f"{kernel}_e1_g2"].mean() < cost[f"{kernel}_e3"].mean()
    for block in ("e1", "e1_g2", "e3", "e6"):
        assert cost[f"k3_{block}"].mean() < cost[f"k5_{block}"].mean()
    assert all(cost["skip"].mean() < cost[block].mean() for block in OPERATIONS[:-1])


def test_the_grouped_blocks_are_those_with_a_shuffle(measured):
    """On a graphics card the shuffle of the two grouped blocks costs the same, whatever the kernel."""
    latency, arch = measured["2080ti_1"], measured["arch"]
    per_block = np.column_stack([(arch == block).sum(axis=1) for block in range(9)])
    cost, *_ = np.linalg.lstsq(per_block, latency, rcond=None)  # 22 blocks each: the stem needs no column
    dearest = [OPERATIONS[block] for block in np.argsort(cost)[-2:]]
    assert sorted(dearest) == ["k3_e1_g2", "k5_e1_g2"]


def test_size(space):
    assert space.size == space.distinct == 9**22
    assert isinstance(space.size, int)
    assert not space.key_is_exact


@pytest.mark.parametrize(
    "given",
    [NAMES, str(NUMBERS), " ".join(map(str, NUMBERS)), ",".join(map(str, NUMBERS)), f" {NAMES}\n"],
)
def test_names_and_numbers_are_read(space, given):
    assert space.parse(given).tolist() == NUMBERS
    assert space.format(space.parse(given)[None]) == [NAMES]


@pytest.mark.parametrize(
    ("given", "wrong", "says"),
    [
        (NAMES.replace("k3_e3", "k3_e4", 1), "k3_e4", "did you mean k3_e"),
        (str(NUMBERS).replace("8, 0, 7", "8, 9, 7"), "9, 7", "there is no block 9"),
        (str(NUMBERS).replace("8, 0, 7", "8, 00, 7"), "00, 7", "there is no block 00"),
    ],
)
def test_parse_errors_name_the_character(space, given, wrong, says):
    with pytest.raises(ArchitectureError) as caught:
        space.parse(given)
    assert f"character {given.index(wrong) + 1} of" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize("given", ["", "skip", "[]", "[1]", NAMES + "-skip", str(NUMBERS[:-1]), "8" * 5000])
def test_texts_that_are_no_network_are_refused(space, given):
    with pytest.raises(ArchitectureError):
        space.parse(given)
