"""Finding rows, by number and by key, against a plain Python dictionary."""

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces import SearchSpace
from nasbench_suite.tabular.row_index import DenseIndex, KeyIndex, dense_index, index_arrays, row_index


class Pairs(SearchSpace):
    """Unordered pairs of numbers below 200 with a colour; 0 0 0 is no architecture. Not numbered."""

    name = "pairs"
    cardinalities = (200, 200, 3)
    size = 200 * 200 * 3 - 1
    distinct = 201 * 100 * 3 - 1

    def sample(self, rng, n):
        genes = rng.integers(self.cardinalities, size=(n, 3)).astype(np.uint8)
        genes[:, 2] = np.maximum(genes[:, 2], ~genes.any(axis=1))
        return genes

    def valid(self, genes):
        return (genes < self.cardinalities).all(axis=1) & genes.any(axis=1)

    def canonical(self, genes):
        return np.concatenate([np.sort(genes[:, :2], axis=1), genes[:, 2:]], axis=1)

    def key(self, genes):
        if not self.valid(genes).all():
            raise ArchitectureError("not a pair")
        return self.canonical(genes).astype(np.uint64) @ np.array([10**6, 10**3, 1], dtype=np.uint64)

    def format(self, genes):
        return ["-".join(map(str, row)) for row in genes.tolist()]

    def parse(self, text):
        return np.array(text.split("-"), dtype=np.uint8)

    def mutate(self, rng, genes):
        raise NotImplementedError

    def crossover(self, rng, a, b):
        raise NotImplementedError

    def neighbourhoods(self, genes):
        raise NotImplementedError


class HashedPairs(Pairs):
    """The same with keys of which one in twenty thousand collides with a given other."""

    name = "hashed_pairs"
    key_is_exact = False

    def key(self, genes):
        return super().key(genes) % np.uint64(20_011) << np.uint64(48)


def pair(row):
    return (*sorted(row[:2]), row[2])


def rows_in(space, n, seed=0):
    """Random architectures, no two of which are isomorphic or have the same key."""
    genes = space.sample(np.random.default_rng(seed), 3 * n)
    genes = genes[np.unique(space.key(genes), return_index=True)[1]]
    return np.random.default_rng(seed).permutation(genes)[:n]


def found_by_dictionary(rows, asked):
    where = {pair(row): number for number, row in enumerate(rows.tolist())}
    return [where.get(pair(row), -1) for row in asked.tolist()]


@pytest.mark.parametrize("space", [Pairs(), HashedPairs()], ids=lambda space: space.name)
def test_keys_find_every_numbering_of_a_row_and_nothing_else(space):
    rows = rows_in(space, 5000)
    index = row_index(space, index_arrays(space, rows, "class"), rows, "class")
    assert isinstance(index, KeyIndex)
    asked = np.concatenate([rows, rows[:, [1, 0, 2]], space.sample(np.random.default_rng(1), 40_000)])
    expected = found_by_dictionary(rows, asked)
    assert 5 < sum(row >= 0 for row in expected[10_000:]) < 39_000
    found = index.rows(asked)
    assert found.dtype == np.int32
    assert found.tolist() == expected
    assert [index.rows(row[None]).item() for row in asked[::97]] == expected[::97]
    if space.name == "hashed_pairs":
        taken = np.isin(space.key(asked), space.key(rows)) & (np.array(expected) < 0)
        assert np.count_nonzero(taken) > 1000, "no collision was asked for"


def test_keys_larger_than_any_of_the_table_and_the_largest_of_all_are_found():
    class Shifted(Pairs):
        def key(self, genes):
            return np.uint64(2**64 - 1) - super().key(genes)

    space = Shifted()
    rows = np.array([[0, 0, 1], [199, 199, 2], [5, 4, 0]], dtype=np.uint8)
    index = row_index(space, index_arrays(space, rows, "class"), rows, "class")
    asked = np.array([[0, 0, 1], [199, 199, 2], [199, 199, 1], [4, 5, 0], [0, 0, 2]], dtype=np.uint8)
    assert index.rows(asked).tolist() == [0, 1, -1, 2, -1]


def test_stored_keys_are_ascending_with_their_rows():
    space = Pairs()
    rows = rows_in(space, 300)
    arrays = index_arrays(space, rows, "class")
    assert {name: array.dtype for name, array in arrays.items()} == {"keys": np.uint64, "key_rows": np.int32}
    assert arrays["keys"].tolist() == sorted(space.key(rows).tolist())
    assert np.array_equal(space.key(rows[arrays["key_rows"]]), arrays["keys"])


def test_an_empty_table_has_no_row_for_anything():
    for space in (Pairs(), HashedPairs()):
        none = np.zeros((0, 3), dtype=np.uint8)
        index = row_index(space, index_arrays(space, none, "class"), none, "class")
        assert index.rows(rows_in(space, 9)).tolist() == [-1] * 9
        assert index.rows(none).tolist() == []


@pytest.mark.parametrize("space", [Pairs(), HashedPairs()], ids=lambda space: space.name)
def test_isomorphic_rows_in_a_space_of_keys_are_refused_by_name(space):
    rows = rows_in(space, 50)
    rows = np.concatenate([rows[rows[:, 0] != rows[:, 1]], rows[7:8, [1, 0, 2]]])
    with pytest.raises(DamagedFileError, match="has more than one row; each must appear once") as caught:
        index_arrays(space, rows, "class")
    names = {space.format(rows[7:8])[0], space.format(rows[-1:])[0]}
    assert any(f"architecture {name} has" in str(caught.value) for name in names)


def test_rows_whose_keys_collide_are_refused():
    space = HashedPairs()
    genes = space.sample(np.random.default_rng(3), 2000)
    keys, first, count = np.unique(space.key(genes), return_index=True, return_counts=True)
    assert count.max() > 1
    with pytest.raises(DamagedFileError):
        index_arrays(space, genes, "class")
    index_arrays(space, genes[first], "class")
    assert len(keys) == len(first)


def test_isomorphic_strings_in_a_space_of_keys_are_two_rows():
    space = Pairs()
    rows = np.array([[3, 4, 0], [4, 3, 0]], dtype=np.uint8)
    assert row_index(space, index_arrays(space, rows, "string"), rows, "string").rows(rows).tolist() == [0, 1]


def test_a_string_in_a_space_of_keys_does_not_answer_for_its_isomorphic_ones():
    space = Pairs()
    rows = np.array([[3, 4, 0]], dtype=np.uint8)
    index = row_index(space, index_arrays(space, rows, "string"), rows, "string")
    assert index.rows(rows[:, [1, 0, 2]]).tolist() == [-1]


def test_what_is_no_architecture_is_refused_by_the_space_of_keys():
    space = Pairs()
    rows = rows_in(space, 20)
    with pytest.raises(ArchitectureError):
        row_index(space, index_arrays(space, rows, "class"), rows, "class").rows(
            np.zeros((1, 3), dtype=np.uint8)
        )


# -- spaces that number their architectures ----------------------------------------------------------


@pytest.mark.parametrize("meaning", ["string", "class"])
@pytest.mark.parametrize("name", ["graph", "nats_topology"])
def test_numbers_find_rows_as_a_dictionary_does(name, meaning):
    space = get_space(name)
    drawn = space.sample(np.random.default_rng(0), 4000)
    identity = space.key(drawn).tolist() if meaning == "class" else space.format(drawn)
    rows = drawn[sorted({who: number for number, who in enumerate(identity)}.values())]
    index = row_index(space, index_arrays(space, rows, meaning), rows, meaning)
    assert isinstance(index, DenseIndex)
    asked = np.concatenate([rows, space.sample(np.random.default_rng(1), 4000)])
    who = (lambda genes: space.key(genes).tolist()) if meaning == "class" else space.format
    where = {text: number for number, text in enumerate(who(rows))}
    expected = [where.get(text, -1) for text in who(asked)]
    assert -1 in expected
    found = index.rows(asked)
    assert found.dtype == np.int32
    assert found.tolist() == expected
    for genes in (asked, asked.astype(np.int64)):
        assert [index.rows(row[None]).item() for row in genes[::53]] == expected[::53]


def test_genes_out_of_range_or_of_another_shape_are_refused_one_or_many():
    space = get_space("nats_topology")
    rows = space.sample(np.random.default_rng(0), 1)
    index = row_index(space, index_arrays(space, rows, "string"), rows, "string")
    for genes in (
        np.full((1, 6), 5, dtype=np.uint8),
        np.full((3, 6), 5, dtype=np.uint8),
        np.full((1, 6), -1, dtype=np.int64),
        np.zeros((1, 5), dtype=np.uint8),
        np.zeros((1, 7), dtype=np.uint8),
        np.zeros(6, dtype=np.uint8),
        np.zeros((1, 6)),
        [[0, 0, 0, 0, 0, 0]],
    ):
        with pytest.raises(ArchitectureError):
            index.rows(genes)


def test_a_cell_with_two_rows_is_refused():
    space = get_space("nats_topology")
    genes = space.sample(np.random.default_rng(0), 30)
    twice = np.concatenate([genes, genes[4:5]])
    with pytest.raises(DamagedFileError, match="more than one row") as caught:
        dense_index(space, twice, "string")
    assert space.format(genes[4:5])[0] in str(caught.value)


def test_isomorphic_rows_are_two_strings_but_one_class():
    graph = get_space("graph")
    same = np.stack([graph.parse("0012:gat,gcn,gin,fc"), graph.parse("0012:gcn,gat,fc,gin")])
    assert np.count_nonzero(dense_index(graph, same, "string") >= 0) == 2
    with pytest.raises(DamagedFileError, match="more than one row"):
        dense_index(graph, same, "class")


def test_the_index_of_classes_answers_for_every_numbering():
    graph = get_space("graph")
    rows = graph.parse("0012:gat,gcn,gin,fc")[None]
    index = dense_index(graph, rows, "class")
    every = graph.decode(np.arange(graph.n_codes))
    every = every[graph.valid(every)]
    expected = np.where(graph.key(every) == graph.key(rows)[0], 0, -1)
    assert np.array_equal(index[graph.encode(every)], expected)
    assert np.count_nonzero(index >= 0) == 2


@pytest.mark.parametrize("name", ["mnasnet", "fbnet", "darts_cell"])
@pytest.mark.parametrize("meaning", ["string", "class"])
def test_hashed_look_ups_find_what_a_dictionary_finds(name, meaning):
    space = get_space(name)
    rng = np.random.default_rng(5)
    drawn = space.sample(rng, 3000)
    identity = [row.tobytes() for row in (space.canonical(drawn) if meaning == "class" else drawn)]
    first = {key: place for place, key in reversed(list(enumerate(identity)))}
    rows = drawn[sorted(first.values())]
    index = row_index(space, index_arrays(space, rows, meaning), rows, meaning)
    assert index.rows(rows).tolist() == list(range(len(rows)))
    near = space.mutate(rng, rows)  # mostly absent, and close in every byte
    known = space.canonical(rows) if meaning == "class" else rows
    asked = space.canonical(near) if meaning == "class" else near
    expected = {row.tobytes(): place for place, row in enumerate(known)}
    assert index.rows(near).tolist() == [expected.get(row.tobytes(), -1) for row in asked]
    for wrong in (rows.astype(np.float64), rows[:, :-1], rows.astype(np.int64) + 256):
        with pytest.raises(ArchitectureError):
            index.rows(wrong)
    assert index.rows(rows[:9].astype(np.int64)).tolist() == list(range(9))
