"""Operators timed one by one, with a clock that blocks move by known durations, and the file of them."""

import h5py
import numpy as np
import pytest
import torch
from torch import nn

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.hardware.network_latency import Conditions
from nasbench_suite.hardware.operator_latencies import (
    KIND,
    OperatorLatencies,
    read_operator_latencies,
    save_operator_latencies,
)
from nasbench_suite.hardware.operator_timing import _passes, measure_operators
from nasbench_suite.hardware.searched_blocks import searched_blocks
from nasbench_suite.hardware.stopwatch import Stopwatch, UnstableTimingError
from nasbench_suite.sealed import write_sealed
from nasbench_suite.spaces.nats_topology import OPERATIONS
from nasbench_suite.training.networks import Skeleton, build_network, network_spaces
from nasbench_suite.training.operations import Conv, InvertedBottleneck, ReluConvNorm

SMALL = Conditions(Skeleton(inputs=1, dims=1, width=4, depth=2), (1, 40), batch=2)
SECONDS = {"none": 2.0, "skip_connect": 0.0, "nor_conv_1x1": 5.0, "nor_conv_3x3": 9.0, "avg_pool_3x3": 3.0}


class Clock:
    """Moves by what layers take: convolutions by kernel, channels and length, the rest by a second each."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def timing(self, network):
        """Let the clock move whenever the network computes."""
        for layer in network.modules():
            if not list(layer.children()) and not isinstance(layer, nn.Identity):
                self.taking(layer, self._seconds)
        return network

    def taking(self, block, seconds):
        """Let the clock move by `seconds(block, input)` whenever the block computes."""
        compute = block.forward

        def forward(given):
            self.now += seconds(block, given)
            return compute(given)

        block.forward = forward

    def _seconds(self, layer, given):
        work = layer.kernel_size[0] * layer.in_channels if isinstance(layer, Conv) else 0
        return 1.0 + work * given.shape[-1] / 100


@pytest.fixture
def clock(monkeypatch):
    """A clock that all networks of this module move, measured operator by operator or whole."""
    clock = Clock()

    def build(*arguments):
        return clock.timing(build_network(*arguments))

    monkeypatch.setattr("nasbench_suite.hardware.operator_timing.build_network", build)
    return clock


def watch(clock):
    return Stopwatch(warm_up=0, seconds=0, least=3, rounds=2, clock=clock)


def milliseconds(clock, space, row):
    """Return what a pass through a whole network moves the clock by."""
    network = clock.timing(build_network(space, row, SMALL.skeleton)).eval()
    before = clock.now
    with torch.inference_mode():
        network(torch.randn(SMALL.batch, *SMALL.shape))
    return 1e3 * (clock.now - before)


@pytest.mark.parametrize("space", ["macro", "mobile", "nats_topology"])
def test_sums_are_what_whole_networks_take(space, clock):
    """Shapes, strides and channels decide what a layer takes, so every block must be at its own place."""
    model = measure_operators(space, "mine", SMALL, watch(clock), lambda done, total: None)
    genes = get_space(space).sample(np.random.default_rng(0), 6)
    expected = [milliseconds(clock, space, row) for row in genes]
    assert model.predict(genes) == pytest.approx(expected)
    assert len(set(expected)) > 1
    assert (model.name, model.unit, model.description.batch) == ("latency_ms@mine", "ms", 2)
    assert model.description.shape == (1, 40)
    assert "PyTorch" in model.description.machine


def test_an_entry_is_the_sum_over_all_cells(monkeypatch, clock):
    """Closed form: six cells, in each of which the edge takes what its operation does."""
    taken = {place: SECONDS[name] for place, name in enumerate(OPERATIONS)}

    def build(space, row, skeleton):
        network = build_network(space, row, skeleton)
        for gene, blocks in enumerate(searched_blocks(network)):
            for block in blocks:
                clock.taking(block, lambda *_, value=int(row[gene]): taken[value])
        clock.taking(network.stem, lambda *_: 7.0)
        return network

    monkeypatch.setattr("nasbench_suite.hardware.operator_timing.build_network", build)
    model = measure_operators("nats_topology", "mine", SMALL, watch(clock))
    per_value = np.array([6e3 * taken[place] for place in range(5)])
    assert model.entries == pytest.approx(np.tile(per_value, (6, 1)))
    assert model.rest == pytest.approx(7e3)


@pytest.mark.parametrize(("space", "kind"), [("macro", InvertedBottleneck), ("nats_topology", ReluConvNorm)])
def test_blocks_are_given_what_they_really_get(space, kind):
    """The output of every block for what was noted is what it gives within the network."""
    known = get_space(space)
    network = build_network(space, known.sample(np.random.default_rng(2), 1)[0], SMALL.skeleton).eval()
    given, outputs = {}, {}
    blocks = [block for gene in searched_blocks(network) for block in gene]
    hooks = [
        block.register_forward_hook(lambda block, _, output: outputs.__setitem__(block, output))
        for block in blocks
    ]
    with torch.inference_mode():
        given = _passes(network, torch.randn(2, 1, 40))
        for hook in hooks:
            hook.remove()
        assert set(given) == set(blocks)
        assert all(torch.equal(block(given[block]), outputs[block]) for block in blocks)
    assert any(isinstance(block, kind) for block in blocks)


def test_genes_are_places_of_the_network():
    """Two networks that differ in a gene differ in its blocks alone."""
    space = get_space("nats_topology")
    first, second = space.parse("0").copy(), space.parse("0").copy()
    first[4], second[4] = OPERATIONS.index("none"), OPERATIONS.index("nor_conv_3x3")
    pair = [searched_blocks(build_network("nats_topology", row, SMALL.skeleton)) for row in (first, second)]
    for gene, (ones, others) in enumerate(zip(*pair, strict=True)):
        assert len(ones) == len(others) == 6
        assert all((type(a) is type(b)) == (gene != 4) for a, b in zip(ones, others, strict=True))


def test_a_timing_that_varies_is_no_entry(clock):
    space = "macro"
    jumpy = Stopwatch(warm_up=0, seconds=0, least=3, rounds=2, clock=_jumping(clock))
    with pytest.raises(UnstableTimingError, match="no entry of a table"):
        measure_operators(space, "mine", SMALL, jumpy)


def _jumping(clock):
    calls = [0]

    def now():
        calls[0] += 1
        clock.now += calls[0] % 7
        return clock.now

    return now


def test_what_cannot_be_measured_is_refused():
    for space in sorted(set(network_spaces()) - {"macro", "mobile", "nats_topology"}):
        with pytest.raises(NasbenchSuiteError, match=f"nasbench-suite measure {space}"):
            measure_operators(space, "mine", SMALL, Stopwatch())
    onnx = Conditions(SMALL.skeleton, SMALL.shape, engine="onnxruntime")
    with pytest.raises(NasbenchSuiteError, match="one program of a whole network"):
        measure_operators("macro", "mine", onnx, Stopwatch())
    with pytest.raises(NasbenchSuiteError, match="not 'my box'"):
        measure_operators("macro", "my box", SMALL, Stopwatch())


@pytest.fixture
def model(clock):
    return measure_operators("mobile", "mine", SMALL, watch(clock))


def test_a_file_gives_back_what_was_measured(model, tmp_path):
    save_operator_latencies(model, tmp_path / "a.h5")
    found = read_operator_latencies(tmp_path / "a.h5", "mobile")
    genes = found.space.sample(np.random.default_rng(0), 20)
    assert found.predict(genes).tolist() == model.predict(genes).tolist()
    assert found.description == model.description
    assert np.isnan(found.entries).sum() == 6  # the first layers of stages cannot be left out
    save_operator_latencies(found, tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with pytest.raises(ArchitectureError):
        found.predict(genes + 9)


def test_operators_of_another_space(model, tmp_path):
    save_operator_latencies(model, tmp_path / "a.h5")
    with pytest.raises(
        NasbenchSuiteError, match=r"operators of space mobile, not of macro; .* operators macro"
    ):
        read_operator_latencies(tmp_path / "a.h5", "macro")


def test_every_flipped_byte_is_seen(model, tmp_path):
    save_operator_latencies(model, tmp_path / "a.h5")
    content = (tmp_path / "a.h5").read_bytes()
    for place in range(0, len(content), max(1, len(content) // 60)):
        if place in range(len(KIND.mark) + 72, 512):
            continue  # zeros between the seal and the content, which nobody reads
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / "b.h5").write_bytes(changed)
        with pytest.raises(DamagedFileError):
            read_operator_latencies(tmp_path / "b.h5")
    (tmp_path / "b.h5").write_bytes(content[:-1])
    with pytest.raises(DamagedFileError, match="device operators"):
        read_operator_latencies(tmp_path / "b.h5")


def test_a_file_of_another_version(model, tmp_path):
    save_operator_latencies(model, tmp_path / "a.h5")
    content = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(content.replace(b"operator-latencies 1", b"operator-latencies 9", 1))
    with pytest.raises(DamagedFileError, match="of schema 9, this version reads 1"):
        read_operator_latencies(tmp_path / "a.h5")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file["entries"].__setitem__((0, 0), -1.0),
        lambda file: file["entries"].__setitem__((0, 0), np.nan),
        lambda file: file["entries"].__setitem__((0, 6), 1.0),
        lambda file: file["rest"].__setitem__((), np.inf),
        lambda file: file["rest"].__setitem__((), -1.0),
        lambda file: file.attrs.__setitem__("description", "{}"),
        lambda file: file.__delitem__("rest"),
    ],
)
def test_sealed_nonsense_is_damage(spoil, model, tmp_path):
    def fill(file: h5py.File):
        file.attrs["description"] = model.description.model_dump_json()
        file["entries"], file["rest"] = model.entries, model.rest
        spoil(file)

    write_sealed(tmp_path / "a.h5", KIND, fill)
    with pytest.raises(DamagedFileError):
        read_operator_latencies(tmp_path / "a.h5")


def test_entries_have_the_shape_of_the_space(model):
    with pytest.raises(ValueError, match="not float64"):
        OperatorLatencies(model.description, model.entries[1:], model.rest)
