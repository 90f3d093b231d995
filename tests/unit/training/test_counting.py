"""Parameters and multiply-adds against what four benchmarks publish about all their networks."""

import bz2
import csv
import gzip
import json
from itertools import combinations_with_replacement, permutations

import numpy as np
import pytest
import torch
from torch import nn

from nasbench_suite import ArchitectureError, NasbenchSuiteError, get_space
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.training.counting import ADDITIVE, count, count_many
from nasbench_suite.training.networks import Skeleton, build_network, network_spaces, official_skeleton

IMAGE = (3, 32, 32)
DATASETS = {
    "cifar10": ("c10", 10, 32),
    "cifar100": ("c100", 100, 32),
    "ImageNet16-120": ("in16", 120, 16),
}
"""Prefix of the columns, classes and size of the images."""
each_dataset = pytest.mark.parametrize("dataset", DATASETS)


def read_csv(path):
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


def drawn(space, n, seed=0):
    return get_space(space).sample(np.random.default_rng(seed), n)


# -- the rule ----------------------------------------------------------------------------------------


def test_the_rule_on_layers_counted_by_hand():
    network = nn.Sequential(
        nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * 2 * 3, 5, bias=False),
    )
    counts = count(network, (4, 8, 12))
    assert counts.parameters == 6 * 2 * 9 + 6 + 2 * 6 + 36 * 5
    assert counts.multiply_adds == 6 * 4 * 6 * (9 * 2) + 36 * 5
    assert counts.bias_additions == 6 * 4 * 6


def test_layers_that_are_used_twice_count_twice_and_parameters_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv1d(2, 2, 1)

        def forward(self, x):
            return self.layer(self.layer(x))

    counts = count(Twice(), (2, 7))
    assert (counts.parameters, counts.multiply_adds, counts.bias_additions) == (6, 56, 28)


def test_what_a_network_does_in_training_alone_is_not_counted():
    class WithHead(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            return self.head(self.layer(x)) if self.training else self.layer(x)

    counts = count(WithHead(), (3,))
    assert (counts.parameters, counts.multiply_adds) == (24, 9)


def test_counting_leaves_a_network_as_it_was():
    network = build_network("nats_topology", drawn("nats_topology", 1)[0], Skeleton(width=3, depth=1))
    network.stages.eval()
    state = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    count(network, IMAGE)
    assert modes == [module.training for module in network.modules()]
    assert len(set(modes)) == 2
    assert all(torch.equal(value, state[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
    with pytest.raises(NasbenchSuiteError):
        count(network, (3, 2, 2))
    assert not any(module._forward_hooks for module in network.modules())
    assert modes == [module.training for module in network.modules()]


# -- many at once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", network_spaces())
@pytest.mark.parametrize("style", ["official", "light"])
@pytest.mark.parametrize("shape", [(2, 40), (2, 16, 24)])
def test_many_counts_are_those_of_single_networks(space, style, shape):
    genes = drawn(space, 6)
    skeleton = Skeleton(inputs=2, width=5, depth=2, style=style, dims=len(shape) - 1)
    many = count_many(space, genes, skeleton, shape)
    singles = [count(build_network(space, row, skeleton), shape) for row in genes]
    assert many.parameters.tolist() == [single.parameters for single in singles]
    assert many.multiply_adds.tolist() == [single.multiply_adds for single in singles]
    assert many.bias_additions.tolist() == [single.bias_additions for single in singles]
    assert len(set(many.parameters.tolist())) > 1


@pytest.mark.parametrize("space", sorted(ADDITIVE))
def test_sums_are_those_of_modules_at_official_size(space):
    genes, skeleton = drawn(space, 200, seed=1), official_skeleton(space)
    many = count_many(space, genes, skeleton, IMAGE)
    for place, row in enumerate(genes[:25]):
        with torch.device("meta"):
            single = count(build_network(space, row, skeleton), IMAGE)
        assert single.parameters == many.parameters[place]
        assert single.multiply_adds == many.multiply_adds[place]


@pytest.mark.parametrize("space", network_spaces())
def test_no_network_is_no_count_and_what_is_no_architecture_is_refused(space):
    none = count_many(space, drawn(space, 0), Skeleton(width=5), IMAGE)
    assert len(none.parameters) == len(none.multiply_adds) == len(none.bias_additions) == 0
    with pytest.raises(ArchitectureError):
        count_many(space, np.full_like(drawn(space, 2), 99), Skeleton(width=5), IMAGE)


# -- NATS-Bench ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def topology(shared_data):
    return read_csv(shared_data / "nats_topology" / "accuracy.csv.gz")


@each_dataset
def test_all_topology_cells(topology, dataset):
    """15,421 of 15,625 cells agree; in the others some of the trainings were of an isomorphic cell.

    The published column of multiply-adds is a mean over the trainings with two or three seeds, rounded to
    seven digits; of parameters the number of one training is published. In 204 cells the mean is that of the
    cell itself and of others from its isomorphism class, which compute the same with more or fewer
    convolutions. In 150 of these the number of parameters, too, is another cell's.
    """
    prefix, classes, size = DATASETS[dataset]
    space = get_space("nats_topology")
    genes = np.array([space.parse(line["arch_str"]) for line in topology])
    skeleton = official_skeleton("nats_topology", classes=classes)
    counts = count_many("nats_topology", genes, skeleton, (3, size, size))
    flops = counts.multiply_adds + counts.bias_additions
    published = np.array([float(line[f"{prefix}_flops_M"]) for line in topology]) * 1e6
    parameters = np.array([round(float(line[f"{prefix}_params_M"]) * 1e6) for line in topology])
    exact = np.isclose(published, flops, rtol=5e-7, atol=0)
    assert (counts.parameters == parameters)[exact].all()
    assert (len(topology), exact.sum(), (counts.parameters == parameters).sum()) == (15_625, 15_421, 15_475)
    _, class_of_cell = np.unique(space.key(genes), return_inverse=True)
    for cell in np.flatnonzero(~exact):
        members = class_of_cell == class_of_cell[cell]
        assert parameters[cell] in counts.parameters[members]
        trainings = combinations_with_replacement(np.unique(flops[members]), int(topology[cell]["n_seeds"]))
        means = [np.mean(training) for training in trainings if flops[cell] in training]
        assert np.isclose(published[cell], means, rtol=5e-7, atol=0).any()


@pytest.mark.parametrize("space", ["nats_size", "nats_topology"])
@each_dataset
def test_official_nats_records(shared_data, space, dataset):
    """Networks 0, 11 and 284 of both spaces: parameters and multiply-adds to the last digit."""
    _, classes, size = DATASETS[dataset]
    archive, schedule = {
        "nats_size": ("NATS-sss-v1_0-50262-simple", "90"),
        "nats_topology": ("NATS-tss-v1_0-3ffb9-simple", "200"),
    }[space]
    for index in (0, 11, 284):
        file = shared_data / "nats_official_sample" / archive / f"{index:06d}.pickle.pbz2"
        record = read_pickle(bz2.decompress(file.read_bytes()), file.name)[schedule]["all_results"]
        official = next(results for (name, _), results in record.items() if name == dataset)
        network = build_network(
            space, get_space(space).parse(str(index)), official_skeleton(space, classes=classes)
        )
        counts = count(network, (3, size, size))
        assert counts.parameters == round(official["params"] * 1e6)
        assert counts.multiply_adds + counts.bias_additions == round(official["flop"] * 1e6)
        assert counts.bias_additions == classes


@pytest.mark.slow
@pytest.mark.parametrize("style", ["official", "light"])
def test_the_whole_size_space_is_summed_from_neighbours(style):
    space, skeleton = get_space("nats_size"), Skeleton(width=8, depth=1, classes=100, style=style)
    genes = space.decode(np.arange(space.n_codes))
    counts = count_many("nats_size", genes, skeleton, IMAGE)
    shown = np.random.default_rng(1).choice(len(genes), 40, replace=False)
    single = [count(build_network("nats_size", row, skeleton), IMAGE) for row in genes[shown]]
    assert counts.parameters[shown].tolist() == [one.parameters for one in single]
    assert counts.multiply_adds[shown].tolist() == [one.multiply_adds for one in single]
    assert counts.bias_additions[shown].tolist() == [one.bias_additions for one in single]


# -- NAS-Bench-Macro -----------------------------------------------------------------------------------


def test_all_macro_networks(shared_data):
    file = shared_data / "nas_bench_macro" / "nas-bench-macro_cifar10.json"
    records = json.loads(file.read_text())
    genes = np.array([get_space("macro").parse(text) for text in records])
    counts = count_many("macro", genes, official_skeleton("macro"), IMAGE)
    assert counts.parameters.tolist() == [record["params"] for record in records.values()]
    assert counts.multiply_adds.tolist() == [record["flops"] for record in records.values()]
    assert len(records) == 6_561


@pytest.mark.parametrize("style", ["official", "light"])
def test_isomorphic_macro_networks_count_the_same(style):
    space = get_space("macro")
    genes = space.decode(np.arange(space.n_codes))
    skeleton = Skeleton(width=6, style=style)
    own, canonical = (count_many("macro", rows, skeleton, IMAGE) for rows in (genes, space.canonical(genes)))
    assert np.array_equal(own.parameters, canonical.parameters)
    assert np.array_equal(own.multiply_adds, canonical.multiply_adds)
    assert len(np.unique(space.key(genes))) == 3_969


# -- NAS-Bench-101 -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cells_101(shared_data):
    return read_csv(shared_data / "nasbench101" / "sample_30001.csv.gz")


def graph_of(line):
    vertices = int(line["vertices"])
    pairs = [(source, target) for source in range(vertices) for target in range(source + 1, vertices)]
    edges = [pair for pair, bit in zip(pairs, line["upper_triangle"], strict=True) if bit == "1"]
    return vertices, edges, [int(operation) for operation in line["ops"]]


def widths_of(vertices, edges, outputs):
    """Channels of the inner vertices: shares of the output, else the most of what a vertex leads to."""
    ends = sorted(source for source, target in edges if target == vertices - 1 and source)
    share, left = divmod(outputs, max(1, len(ends)))
    widths = {vertex: share + (place < left) for place, vertex in enumerate(ends)}
    for vertex in range(vertices - 2, 0, -1):
        if vertex not in widths:
            widths[vertex] = max(widths[target] for source, target in edges if source == vertex)
    return {**widths, vertices - 1: outputs}


def parameters_101(vertices, edges, operations):
    """Kernels of one and nine places, scale and shift behind each: a closed form."""
    total = 3 * 9 * 128 + 2 * 128 + 513 * 10
    inputs = 128
    for outputs in (128, 256, 512):
        widths = widths_of(vertices, edges, outputs)
        projected = sum(widths[target] for source, target in edges if source == 0)
        inner = [widths[vertex] for vertex in range(1, vertices - 1)]
        convolved = sum(
            width * (width * (9, 1)[operation] + 2)
            for width, operation in zip(inner, operations, strict=True)
            if operation < 2
        )
        total += projected * (inputs + 2) + 2 * projected * (outputs + 2) + 3 * convolved
        inputs = outputs
    return total


def renumbered(vertices, edges, operations):
    """Yield the cell under every order of its inner vertices in which edges lead onwards."""
    for order in permutations(range(1, vertices - 1)):
        number = (0, *order, vertices - 1)
        moved = [(number[source], number[target]) for source, target in edges]
        if all(source < target for source, target in moved):
            yield vertices, moved, [operations[order.index(vertex)] for vertex in range(1, vertices - 1)]


def test_all_sampled_cells_of_nasbench101(cells_101):
    """29,075 of 30,001 agree; the others do when their vertices have another order.

    Where three or more vertices share 128, 256 or 512 channels, it depends on the order which of them get
    one more; the sample's order is not always the one that was trained.
    """
    others = 0
    for line in cells_101:
        graph, published = graph_of(line), int(line["trainable_parameters"])
        if parameters_101(*graph) != published:
            others += 1
            assert sum(target == graph[0] - 1 and source > 0 for source, target in graph[1]) in (3, 5)
            assert published in {parameters_101(*other) for other in renumbered(*graph)}
    assert (len(cells_101), others) == (30_001, 926)


def test_modules_of_sampled_cells_of_nasbench101(cells_101):
    space, skeleton = get_space("nasbench101"), official_skeleton("nasbench101")
    chosen = np.random.default_rng(0).choice(len(cells_101), 60, replace=False)
    for line in [cells_101[place] for place in chosen]:
        genes = space.parse(f"{line['upper_triangle']}:{line['ops']}")
        with torch.device("meta"):
            network = build_network("nasbench101", genes, skeleton)
        found = sum(weight.numel() for weight in network.parameters())
        graph = graph_of(line)
        assert found == parameters_101(*graph)
        assert int(line["trainable_parameters"]) in {parameters_101(*other) for other in renumbered(*graph)}
