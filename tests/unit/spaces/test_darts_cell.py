"""The DARTS cell space against published genotypes, closed forms and brute force over numberings."""

import itertools
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.spaces.darts_cell import OPERATIONS, PREDECESSORS
from nasbench_suite.spaces.darts_numbering import distinct_cells

# quark0/darts, cnn/genotypes.py, as printed there.
DARTS_V1 = (
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), ('sep_conv_3x3', 1), "
    "('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 2)], "
    "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 0), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), "
    "('avg_pool_3x3', 0)], reduce_concat=[2, 3, 4, 5])"
)
DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], "
    "normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), "
    "('max_pool_3x3', 1), ('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), "
    "('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def space():
    return get_space("darts_cell")


def cells_of(text):
    """Both cells as lists of nodes, each a frozen set of (operation, predecessor): no parser of ours."""
    cells = []
    for part in re.findall(r"(?:normal|reduce)=\[(.*?)\]", text):
        edges = [(operation, int(source)) for operation, source in re.findall(r"\('(\w+)', (\d)\)", part)]
        cells.append([frozenset(edges[i : i + 2]) for i in range(0, 8, 2)])
    return cells


def numberings(cell):
    """Every legal way of numbering a cell's nodes anew, by trying all 24."""
    for order in itertools.permutations(range(4)):
        number = {0: 0, 1: 1} | {2 + node: 2 + place for place, node in enumerate(order)}
        moved = [frozenset((operation, number[source]) for operation, source in cell[node]) for node in order]
        if all(source < 2 + place for place, node in enumerate(moved) for _, source in node):
            yield moved


def text_of(cells):
    """A genotype with `normal_concat` as a list, written without the space."""
    parts = []
    for name, cell in zip(("normal", "reduce"), cells, strict=True):
        edges = ", ".join(str(edge) for node in cell for edge in sorted(node, key=lambda edge: -edge[1]))
        parts.append(f"{name}=[{edges}], {name}_concat=[2, 3, 4, 5]")
    return f"Genotype({', '.join(parts)})"


def all_rows_with(space, n_operations):
    """Every normal cell with the first `n_operations` operations, beside one fixed reduction cell."""
    limits = [n_operations if limit == 7 else limit for limit in space.cardinalities[:11]]
    cells = np.indices(limits, dtype=np.uint8).reshape(11, -1).T
    return np.concatenate([cells, np.zeros_like(cells)], axis=1)


# -- text ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [DARTS_V1, DARTS_V2], ids=["v1", "v2"])
def test_published_genotypes_keep_their_cells(space, text):
    (written,) = space.format(space.parse(text)[None])
    assert cells_of(written) == cells_of(text)
    assert np.array_equal(space.parse(written), space.parse(text))


def test_genes_of_a_published_genotype(space):
    # Normal cell of DARTS_V2: pairs 01, 01, 01, 02; operations in the configuration space's order.
    expected = [3, 3, 0, 3, 3, 0, 2, 3, 1, 2, 5]
    assert space.parse(DARTS_V2)[:11].tolist() == expected


def test_operations_and_pairs_are_those_of_the_configuration_space():
    # automl/nasbench301, configspace.json: choices of edge_normal_0 and of inputs_node_normal_3 to 5.
    assert " ".join(OPERATIONS) == (
        "max_pool_3x3 avg_pool_3x3 skip_connect sep_conv_3x3 sep_conv_5x5 dil_conv_3x3 dil_conv_5x5"
    )
    names = {node: " ".join(f"{a}_{b}" for a, b in pairs) for node, pairs in PREDECESSORS.items()}
    assert names == {
        2: "0_1",
        3: "0_1 0_2 1_2",
        4: "0_1 0_2 0_3 1_2 1_3 2_3",
        5: "0_1 0_2 0_3 0_4 1_2 1_3 1_4 2_3 2_4 3_4",
    }


@given(seed=seeds)
def test_every_text_is_read_back(seed):
    space = get_space("darts_cell")
    rows = space.sample(np.random.default_rng(seed), 20)
    texts = space.format(rows)
    assert np.array_equal(np.stack([space.parse(text) for text in texts]), rows)
    variants = [text_of(cells_of(text)).replace("'", '"').replace(", ", " ,\n ") for text in texts]
    assert np.array_equal(np.stack([space.parse(text) for text in variants]), rows)


def spoilt(old, new, text=DARTS_V2):
    """`text` with the first `old` replaced."""
    assert old in text
    return text.replace(old, new, 1)


# The mark § stands before the character at which the text goes wrong.
BROKEN = [
    ("§", "expected 'Genotype'; found the end of the text"),
    ("  §genotype()", "expected 'Genotype'"),
    (spoilt("('sep_conv_3x3', 0)", "(§sep_conv_3x3, 0)"), "operation in quotes"),
    (spoilt("('sep_conv_3x3'", "§('sep_conv_3x4'"), "did you mean"),
    (spoilt("('sep_conv_3x3'", "§('none'"), "known: avg_pool_3x3"),
    (spoilt("('sep_conv_3x3', 1)", "§('sep_conv_3x3', 2)"), "nodes 0 to 1"),
    (spoilt("('sep_conv_3x3', 1)", "§('sep_conv_3x3', 0)"), "two different nodes"),
    (spoilt("1)", "§-1)"), "number of a node"),
    (spoilt("1)", "§1.0)").replace("§1", "1§"), "expected ')'"),
    (spoilt("0)", "§__import__('os'))"), "number of a node"),
    (spoilt("[('sep_conv_3x3', 0), ", "§["), "has 7 edge"),
    (spoilt("[2, 3, 4, 5]", "§range(2, 5)"), "nodes 2, 3, 4 and 5"),
    (spoilt("[2, 3, 4, 5]", "§range(2, 999999999)"), "nodes 2, 3, 4 and 5"),
    (spoilt("[2, 3, 4, 5]", "§[2, 3, 4, 4]"), "nodes 2, 3, 4 and 5"),
    (spoilt("normal_concat", "§concat"), "normal_concat"),
    (DARTS_V2[:-1] + "§", "expected ')'; found the end of the text"),
    (DARTS_V2 + "§; import os", "expected the end of the text"),
]


@pytest.mark.parametrize(("marked", "reason"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_text_is_refused_at_its_character(space, marked, reason):
    with pytest.raises(ArchitectureError, match=re.escape(reason)) as caught:
        space.parse(marked.replace("§", ""))
    assert str(caught.value).startswith(f"character {marked.index('§') + 1} of the genotype: ")


@given(cut=st.integers(0, len(DARTS_V2) - 1), put=st.sampled_from("()[]',=0Z ") | st.just(""))
def test_a_text_with_one_character_changed_is_read_or_refused(cut, put):
    text = DARTS_V2[:cut] + put + DARTS_V2[cut + 1 :]
    space = get_space("darts_cell")
    try:
        row = space.parse(text)
    except ArchitectureError:
        return
    assert space.valid(row[None])[0]


# -- counts and isomorphism ------------------------------------------------------------------------


def test_size_is_the_product_of_published_choices(space):
    assert space.size == (1 * 3 * 6 * 10 * 7**8) ** 2 == np.prod([int(c) for c in space.cardinalities])
    assert space.size < 2**64


@pytest.mark.parametrize("n_operations", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_representatives_and_the_count_agree_with_brute_force(space, n_operations):
    rows = all_rows_with(space, n_operations)
    assert len(rows) == 180 * n_operations**8
    row_of_cell = {tuple(cells_of(text)[0]): row for row, text in enumerate(space.format(rows))}
    least = [
        min(rows[row_of_cell[tuple(other)]].tolist() for other in numberings(list(cell)))
        for cell in row_of_cell
    ]
    assert space.canonical(rows[list(row_of_cell.values())]).tolist() == least
    assert len(np.unique(space.key(rows))) == len({tuple(row) for row in least})
    assert distinct_cells(n_operations) == len({tuple(row) for row in least})


def test_the_count_with_three_operations_is_that_of_the_keys(space):
    rows = all_rows_with(space, 3)
    assert len(rows) == 180 * 3**8
    assert len(np.unique(space.key(rows))) == distinct_cells(3)


def test_the_count_with_seven_operations_is_what_class_sizes_of_random_cells_estimate(space):
    """The mean of one over the size of a random cell's class, times the number of cells, is the count."""
    rows = space.sample(np.random.default_rng(10), 4000)
    sizes = [len({tuple(other) for other in numberings(cells_of(text)[0])}) for text in space.format(rows)]
    inverse = 1 / np.array(sizes)
    estimate, error = inverse.mean() * 180 * 7**8, inverse.std() / len(rows) ** 0.5 * 180 * 7**8
    assert abs(estimate - distinct_cells(7)) < 3 * error
    assert error < 0.02 * distinct_cells(7)
    assert space.distinct == distinct_cells(7) ** 2


@given(seed=seeds)
def test_equal_keys_exactly_for_numberings_of_one_architecture(seed):
    space = get_space("darts_cell")
    rng = np.random.default_rng(seed)
    rows = space.sample(rng, 2)
    rows[1, :11] = rows[0, :11]  # makes the reduction cell alone tell some of them apart
    for row, text in zip(rows, space.format(rows), strict=True):
        normal, reduction = cells_of(text)
        same = [text_of(pair) for pair in itertools.product(numberings(normal), numberings(reduction))]
        found = np.stack([space.parse(other) for other in same])
        assert len({*space.key(found).tolist()}) == 1
        assert space.canonical(row[None])[0].tolist() == [
            *min(found[:, :11].tolist()),
            *min(found[:, 11:].tolist()),
        ]
        other = space.mutate(rng, row[None])
        isomorphic = space.format(other)[0] in space.format(found)
        assert (space.key(other) == space.key(row[None]))[0] == isomorphic


def test_key_is_the_mixed_radix_number_of_the_representative(space):
    rows = space.canonical(space.sample(np.random.default_rng(0), 500))
    numbers = []
    for row in rows.tolist():
        number = 0
        for gene, limit in zip(row, space.cardinalities, strict=True):
            number = number * limit + gene
        numbers.append(number)
    keys = space.key(rows)
    assert keys.dtype == np.uint64
    assert keys.tolist() == numbers
    assert max(numbers) > 2**53  # beyond what a float64 tells apart


def test_long_batches_agree_with_single_rows(space):
    rows = space.sample(np.random.default_rng(1), 9000)  # more cells than are worked on at a time
    keys = space.key(rows)
    for row in (0, 1, 4095, 4096, 8191, 8192, 8999):
        assert space.key(rows[row : row + 1])[0] == keys[row]
    assert np.array_equal(space.key(space.canonical(rows)), keys)
    assert np.array_equal(space.canonical(space.canonical(rows)), space.canonical(rows))


# -- drawing and changing --------------------------------------------------------------------------


def neighbours_of(cells):
    """Both kinds of neighbour by brute force: kind and cells, each node a frozen set of edges."""
    for c, n in itertools.product((0, 1), range(4)):
        for edge in cells[c][n]:
            (kept,) = cells[c][n] - {edge}
            changed = [("operation", (o, edge[1])) for o in OPERATIONS if o != edge[0]]
            changed += [("input", (edge[0], s)) for s in range(n + 2) if s not in (edge[1], kept[1])]
            for kind, new in changed:
                copy = [list(cell) for cell in cells]
                copy[c][n] = frozenset({kept, new})
                yield kind, tuple(tuple(cell) for cell in copy)


def frozen(text):
    return tuple(tuple(cell) for cell in cells_of(text))


@given(seed=seeds)
def test_neighbourhoods_are_those_of_brute_force(seed):
    space = get_space("darts_cell")
    rows = space.sample(np.random.default_rng(seed), 4)
    near, present = space.neighbourhoods(rows)
    assert present.shape == (4, 120)
    assert present.all()
    for row, around in zip(space.format(rows), near, strict=True):
        expected = list(neighbours_of(cells_of(row)))
        assert Counter(kind for kind, _ in expected) == {"operation": 96, "input": 24}
        found = [frozen(text) for text in space.format(around)]
        assert len(set(found)) == 120
        assert set(found) == {cells for _, cells in expected}


def test_mutation_draws_kinds_edges_and_values_as_documented(space):
    row = space.parse(DARTS_V2)
    n = 60_000
    mutants = space.mutate(np.random.default_rng(2), np.tile(row, (n, 1)))
    unique, counts = np.unique(mutants, axis=0, return_counts=True)
    count = Counter(dict(zip(map(frozen, space.format(unique)), counts.tolist(), strict=True)))
    chance = {}
    for kind, cells in neighbours_of(cells_of(DARTS_V2)):
        if kind == "operation":
            chance[cells] = 1 / 2 / 16 / 6
        else:
            before = cells_of(DARTS_V2)
            (node,) = [n for c in (0, 1) for n in range(4) if cells[c][n] != before[c][n]]
            chance[cells] = 1 / 2 / 12 / node  # node 3 (place 1) has one other predecessor, 4 two, 5 three
    assert set(count) == set(chance)
    observed, expected = zip(*((count[cells], n * p) for cells, p in chance.items()), strict=True)
    assert stats.chisquare(observed, expected).pvalue > 1e-3


@given(seed=seeds)
def test_a_mutant_of_each_row_is_one_of_its_neighbours(seed):
    space = get_space("darts_cell")
    rng = np.random.default_rng(seed)
    rows = space.sample(rng, 30)
    mutants = space.mutate(rng, rows)
    near, _ = space.neighbourhoods(rows)
    assert (near == mutants[:, None]).all(axis=2).any(axis=1).all()


def test_sampling_is_uniform_over_every_gene_and_pair_of_genes(space):
    rows = space.sample(np.random.default_rng(3), 40_000)
    assert rows.dtype == np.uint8
    for gene, limit in enumerate(space.cardinalities):
        assert stats.chisquare(np.bincount(rows[:, gene], minlength=limit)).pvalue > 1e-4
    pairs = rows[:, 2].astype(int) * 10 + rows[:, 19]
    assert stats.chisquare(np.bincount(pairs, minlength=30)).pvalue > 1e-4


def test_a_child_takes_every_node_from_either_parent_half_the_time(space):
    rng = np.random.default_rng(4)
    n = 20_000
    mothers = np.zeros((n, 22), np.uint8)
    children = space.crossover(rng, mothers, np.ones_like(mothers))
    nodes = ((0, 1), (2, 3, 4), (5, 6, 7), (8, 9, 10), (11, 12), (13, 14, 15), (16, 17, 18), (19, 20, 21))
    number = np.zeros(n, dtype=int)
    for node, genes in enumerate(nodes):
        assert (children[:, genes] == children[:, genes[:1]]).all()
        number += children[:, genes[0]].astype(int) << node
    assert stats.chisquare(np.bincount(number, minlength=2**8)).pvalue > 1e-3


def test_the_same_generator_state_gives_the_same_rows_and_changes_no_argument(space):
    rows = space.sample(np.random.default_rng(5), 50)
    rows.setflags(write=False)
    for method in (
        lambda rng: space.sample(rng, 7),
        lambda rng: space.mutate(rng, rows),
        lambda rng: space.crossover(rng, rows, rows[::-1]),
    ):
        first = method(np.random.default_rng(6))
        assert np.array_equal(first, method(np.random.default_rng(6)))
        assert not np.shares_memory(first, rows)
    assert not np.shares_memory(space.canonical(rows), rows)


def test_an_empty_batch_is_a_batch(space):
    none = space.sample(np.random.default_rng(7), 0)
    assert none.shape == (0, 22)
    assert space.key(none).shape == space.valid(none).shape == (0,)
    assert space.canonical(none).shape == space.mutate(np.random.default_rng(8), none).shape == (0, 22)
    assert space.neighbourhoods(none)[0].shape == (0, 120, 22)
    assert space.format(none) == []


# -- refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("gene", range(22))
@pytest.mark.parametrize("value", [-1, "limit", 256, 2**40])
def test_a_value_out_of_range_is_refused_and_named(space, gene, value):
    rows = space.sample(np.random.default_rng(9), 5).astype(np.int64)
    rows[3, gene] = space.cardinalities[gene] if value == "limit" else value
    message = rf"gene {gene} of architecture .* is {rows[3, gene]}; .* 0 to {space.cardinalities[gene] - 1}\."
    for method in (space.key, space.canonical, space.format, space.neighbourhoods):
        with pytest.raises(ArchitectureError, match=message):
            method(rows)
    assert space.valid(rows).tolist() == [True, True, True, False, True]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (np.zeros(22, np.uint8), "shape"),
        (np.zeros((2, 21), np.uint8), "shape"),
        ([[0] * 22], "shape"),
        (np.zeros((2, 22)), "integers"),
        (np.zeros((2, 22), bool), "integers"),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(space, wrong, reason):
    for method in (space.key, space.valid):
        with pytest.raises(ArchitectureError, match=reason):
            method(wrong)
