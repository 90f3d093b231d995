"""Products of choices against Python's integers and an independent SplitMix64."""

import itertools
from math import prod

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.spaces import ProductSpace

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


class Toy(ProductSpace):
    def parse(self, text):
        raise NotImplementedError

    def format(self, genes):
        raise NotImplementedError


def splitmix(number):
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & MASK
    return number ^ (number >> 31)


def words_of(row, cardinalities):
    """Python's integers of the longest runs of genes that fit 64 bits."""
    words, word, size = [], 0, 1
    for value, limit in zip(row, cardinalities, strict=True):
        if size * limit > 2**64:
            words.append(word)
            word, size = 0, 1
        word, size = word * limit + value, size * limit
    return [*words, word]


def hash_of(row, cardinalities):
    state = 0
    for word in words_of(row, cardinalities):
        state = splitmix(((state ^ word) + GAMMA) & MASK)
    return state


def test_the_mixing_function_gives_the_published_outputs_of_seed_zero():
    outputs = [splitmix(step * GAMMA & MASK) for step in (1, 2, 3)]
    assert outputs == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize(
    "cardinalities", [(3,), (2, 3, 4), (7,) * 22, (2,) * 64, (255, 3, 2) * 5, (16,) * 16, (255,) * 8]
)
def test_keys_that_fit_are_the_mixed_radix_numbers(cardinalities):
    space = Toy("toy", cardinalities)
    rows = np.vstack([space.sample(np.random.default_rng(1), 500), np.array([cardinalities], np.uint8) - 1])
    numbers = [sum(words_of(row, cardinalities)) for row in rows.tolist()]
    assert space.key_is_exact
    assert space.size == space.distinct == prod(cardinalities)
    assert space.key(rows).dtype == np.uint64
    assert space.key(rows).tolist() == numbers
    assert numbers[-1] == space.size - 1


def test_keys_of_a_whole_space_are_its_row_numbers():
    space = Toy("toy", (3, 1, 4, 2))
    rows = np.array(list(itertools.product(range(3), range(1), range(4), range(2))), dtype=np.uint8)
    assert space.key(rows).tolist() == list(range(24))


@pytest.mark.parametrize("cardinalities", [(9,) * 22, (2,) * 65, (255, 3, 2) * 20, (16,) * 17, (16,) * 32])
def test_keys_that_do_not_fit_are_hashes(cardinalities):
    space = Toy("toy", cardinalities)
    rows = space.sample(np.random.default_rng(2), 300)
    rows[0], rows[1] = 0, np.array(cardinalities) - 1
    assert not space.key_is_exact
    assert space.size == space.distinct == prod(cardinalities) > 2**64
    assert space.key(rows).tolist() == [hash_of(row, cardinalities) for row in rows.tolist()]


def test_hashes_neither_collide_nor_keep_bits_of_the_row():
    space = get_space("fbnet")
    rows = space.sample(np.random.default_rng(3), 200_000)
    around = space.neighbourhoods(np.vstack([rows[:1], space.neighbours(rows[0])]))[0].reshape(-1, 22)
    different = np.unique(np.vstack([rows, around]), axis=0)
    keys = space.key(different)
    assert len(np.unique(keys)) == len(different)
    flipped = np.bitwise_count(space.key(space.neighbours(rows[0])) ^ space.key(rows[:1]))
    assert abs(flipped.mean() - 32) < 4 * 4 / np.sqrt(len(flipped))
    lowest = np.bincount((keys % np.uint64(64)).astype(int), minlength=64)
    assert stats.chisquare(lowest).pvalue > 1e-3


@pytest.mark.parametrize("name", ["fbnet", "mnasnet"])
def test_every_gene_and_every_pair_of_genes_is_sampled_uniformly(name):
    space = get_space(name)
    rows = space.sample(np.random.default_rng(4), 40_000).astype(int)
    least = 1.0
    for one, other in itertools.combinations(range(space.n_genes), 2):
        limit = space.cardinalities[other]
        counts = np.bincount(
            rows[:, one] * limit + rows[:, other], minlength=space.cardinalities[one] * limit
        )
        least = min(least, stats.chisquare(counts).pvalue)
    assert least > 1e-6


def test_mutation_draws_the_gene_as_told_and_another_value_uniformly():
    space = Toy("toy", (5, 3, 9), (0.5, 0.2, 0.3))
    rows = np.tile(np.array([[2, 0, 8]], np.uint8), (60_000, 1))
    mutants = space.mutate(np.random.default_rng(5), rows)
    changed = mutants != rows
    assert (changed.sum(axis=1) == 1).all()
    assert stats.chisquare(changed.sum(axis=0), np.array([0.5, 0.2, 0.3]) * len(rows)).pvalue > 1e-3
    for gene, limit in enumerate(space.cardinalities):
        values = np.bincount(mutants[changed[:, gene], gene], minlength=limit)
        assert stats.chisquare(np.delete(values, rows[0, gene])).pvalue > 1e-3


def test_mutation_that_may_keep_draws_over_all_values():
    space = Toy("toy", (5, 3), mutation_may_keep=True)
    rows = np.tile(np.array([[2, 0]], np.uint8), (60_000, 1))
    mutants = space.mutate(np.random.default_rng(6), rows)
    counts = np.zeros((5, 3))
    np.add.at(counts, (mutants[:, 0], mutants[:, 1]), 1)
    expected = np.zeros((5, 3))
    expected[:, 0] += 1 / 2 / 5
    expected[2, :] += 1 / 2 / 3
    reachable = expected > 0
    assert not counts[~reachable].any()
    assert stats.chisquare(counts[reachable], expected[reachable] * len(rows)).pvalue > 1e-3


@pytest.mark.parametrize("name", ["fbnet", "mnasnet"])
def test_crossover_takes_every_gene_from_either_parent_half_the_time_independently(name):
    space = get_space(name)
    mothers, fathers = np.zeros((2, 20_000, space.n_genes), np.uint8)
    fathers[:] = 1
    children = space.crossover(np.random.default_rng(7), mothers, fathers).astype(float)
    assert stats.binomtest(int(children.sum()), children.size).pvalue > 1e-3
    assert (np.abs(children.mean(axis=0) - 0.5) < 5 * 0.5 / np.sqrt(20_000)).all()
    correlation = np.corrcoef(children.T) - np.eye(space.n_genes)
    assert np.abs(correlation).max() < 5 / np.sqrt(20_000)


@pytest.mark.parametrize("name", ["fbnet", "mnasnet"])
def test_every_neighbour_is_present(name):
    space = get_space(name)
    neighbours, present = space.neighbourhoods(space.sample(np.random.default_rng(8), 3))
    assert present.all()
    assert present.shape == neighbours.shape[:2] == (3, sum(space.cardinalities) - space.n_genes)


def test_results_are_bytes_whatever_the_integers_given():
    space = get_space("mnasnet")
    rows = space.sample(np.random.default_rng(9), 10)
    wide = rows.astype(np.int64)
    assert np.array_equal(space.key(wide), space.key(rows))
    for result in (
        space.canonical(wide),
        space.mutate(np.random.default_rng(0), wide),
        space.crossover(np.random.default_rng(0), wide, wide),
        space.neighbourhoods(wide)[0],
    ):
        assert result.dtype == np.uint8


def test_crossover_refuses_parents_out_of_range():
    space = get_space("mnasnet")
    good, bad = np.zeros((1, 28), np.uint8), np.full((1, 28), 3, np.uint8)
    for parents in ((good, bad), (bad, good)):
        with pytest.raises(ArchitectureError, match="gene 0 of architecture"):
            space.crossover(np.random.default_rng(0), *parents)
