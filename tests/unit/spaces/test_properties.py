"""What holds in every space, checked on random architectures against brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.spaces import CategoricalSpace, ProductSpace, space_names

SPACES = [space for space in map(get_space, space_names()) if isinstance(space, CategoricalSpace)]
each_space = pytest.mark.parametrize("space", SPACES, ids=[space.name for space in SPACES])
WITH_PRODUCTS = SPACES + [space for space in map(get_space, space_names()) if isinstance(space, ProductSpace)]
each_space_and_product = pytest.mark.parametrize(
    "space", WITH_PRODUCTS, ids=[space.name for space in WITH_PRODUCTS]
)
MAY_KEEP = {"nats_size"}
"""Spaces whose published mutation may leave the row as it is."""
PARENTS = {"transnas_macro": ([2, 1, 0, 0, 0, 0], [3, 3, 1, 2, 2, 4])}
"""Parents that differ in every gene and whose children are all valid, where zeros and ones are not."""
seeds = st.integers(0, 2**32 - 1)


def rows_of(space, seed, n=20):
    """Valid rows by rejection from independent uniform genes, without the space's own sampler."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(space.cardinalities, size=(10 * n + 100, space.n_genes), dtype=np.uint8)
    return rows[space.valid(rows)][:n]


def numbering(space):
    """How the space turns rows into numbers: those of vast spaces are keys only."""
    return space.encode if isinstance(space, CategoricalSpace) else space.key


def code_of(space, row):
    code = 0
    for value, cardinality in zip(row.tolist(), space.cardinalities, strict=True):
        code = code * cardinality + value
    return code


def test_the_same_name_gives_the_same_object():
    assert get_space("graph") is get_space("graph")


def test_an_unknown_name_is_an_error_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean graph"):
        get_space("grahp")


@each_space
@given(seed=seeds)
def test_encode_is_the_mixed_radix_number_and_decode_its_inverse(space, seed):
    rows = rows_of(space, seed)
    codes = space.encode(rows)
    assert codes.tolist() == [code_of(space, row) for row in rows]
    assert np.array_equal(space.decode(codes), rows)


@each_space
def test_all_codes_are_decoded_in_lexicographic_order(space):
    rows = itertools.product(*(range(cardinality) for cardinality in space.cardinalities))
    decoded = space.decode(np.arange(space.n_codes))
    assert decoded.dtype == np.uint8
    assert decoded.tolist() == [list(row) for row in rows]
    assert np.array_equal(space.encode(decoded), np.arange(space.n_codes))


@each_space_and_product
@given(seed=seeds)
def test_canonical_is_idempotent_and_of_the_same_class(space, seed):
    rows = rows_of(space, seed)
    canonical = space.canonical(rows)
    assert space.valid(canonical).all()
    assert np.array_equal(space.canonical(canonical), canonical)
    assert np.array_equal(space.key(canonical), space.key(rows))


@each_space
def test_keys_are_equal_exactly_when_representatives_are(space):
    rows = space.decode(np.arange(space.n_codes))
    rows = rows[space.valid(rows)]
    _, by_key = np.unique(space.key(rows), return_inverse=True)
    _, by_representative = np.unique(space.canonical(rows), axis=0, return_inverse=True)
    pairs = set(zip(by_key.tolist(), by_representative.ravel().tolist(), strict=True))
    assert len(pairs) == by_key.max() + 1 == by_representative.max() + 1 == space.distinct
    assert len(rows) == space.size


@each_space_and_product
@given(seed=seeds)
def test_text_is_read_back(space, seed):
    rows = rows_of(space, seed, 5)
    assert all(
        np.array_equal(space.parse(text), row) for row, text in zip(rows, space.format(rows), strict=True)
    )


@each_space_and_product
@given(text=st.text(alphabet="0123456789|+~:,[]() abcdefginoprstx_", max_size=40))
def test_no_text_raises_anything_but_the_architecture_error(space, text):
    try:
        row = space.parse(text)
    except ArchitectureError:
        return
    assert space.valid(row[None])[0]


@each_space_and_product
@given(seed=seeds)
def test_neighbours_are_the_valid_rows_at_hamming_distance_one(space, seed):
    row = rows_of(space, seed, 1)[0]
    expected = set()
    for gene, cardinality in enumerate(space.cardinalities):
        for value in set(range(cardinality)) - {row[gene]}:
            changed = row.copy()
            changed[gene] = value
            if space.valid(changed[None])[0]:
                expected.add(tuple(changed.tolist()))
    found = [tuple(neighbour) for neighbour in space.neighbours(row).tolist()]
    assert len(found) == len(set(found))
    assert set(found) == expected


@each_space_and_product
@given(seed=seeds)
def test_neighbourhoods_of_a_batch_are_those_of_single_rows(space, seed):
    rows = rows_of(space, seed)
    neighbours, present = space.neighbourhoods(rows)
    for row, near, there in zip(rows, neighbours, present, strict=True):
        assert np.array_equal(near[there], space.neighbours(row))


@each_space_and_product
@given(seed=seeds)
def test_a_mutant_is_a_neighbour(space, seed):
    rows = rows_of(space, seed)
    mutants = space.mutate(np.random.default_rng(seed), rows)
    assert mutants.dtype == np.uint8
    assert space.valid(mutants).all()
    changes = (mutants != rows).sum(axis=1)
    assert np.isin(changes, [0, 1] if space.name in MAY_KEEP else [1]).all()


@each_space_and_product
def test_mutation_reaches_every_neighbour(space):
    row = rows_of(space, 5, 1)
    mutants = space.mutate(np.random.default_rng(6), row.repeat(5000, axis=0))
    reached = {tuple(mutant) for mutant in mutants.tolist()}
    reachable = {tuple(neighbour) for neighbour in space.neighbours(row[0]).tolist()}
    assert reached == reachable | ({tuple(row[0].tolist())} if space.name in MAY_KEEP else set())


@pytest.mark.parametrize("name", ["graph", "graph_proteins"])
def test_mutation_of_graph_cells_draws_genes_and_values_uniformly(name):
    space = get_space(name)
    row = space.parse("0122:fc,gcn,arma,sage")[None]  # no neighbour is invalid
    mutants = space.mutate(np.random.default_rng(7), row.repeat(40_000, axis=0))
    changed = mutants != row
    assert stats.chisquare(changed.sum(axis=0)).pvalue > 1e-3
    for gene, cardinality in enumerate(space.cardinalities):
        counts = np.bincount(mutants[changed[:, gene], gene], minlength=cardinality)
        assert stats.chisquare(np.delete(counts, row[0, gene])).pvalue > 1e-3


@each_space_and_product
@given(seed=seeds)
def test_a_child_has_every_gene_from_one_of_its_parents(space, seed):
    rows = rows_of(space, seed)
    mothers, fathers = rows, rows[::-1].copy()
    children = space.crossover(np.random.default_rng(seed), mothers, fathers)
    assert space.valid(children).all()
    assert ((children == mothers) | (children == fathers)).all()


@each_space
def test_crossover_takes_every_gene_from_either_parent_half_the_time(space):
    parents = PARENTS.get(space.name, ([0] * space.n_genes, [1] * space.n_genes))
    mother, father = np.array(parents, dtype=np.uint8)
    n = 20_000
    children = space.crossover(np.random.default_rng(8), np.tile(mother, (n, 1)), np.tile(father, (n, 1)))
    codes = (children == father) @ (1 << np.arange(space.n_genes))
    assert stats.chisquare(np.bincount(codes, minlength=2**space.n_genes)).pvalue > 1e-3


@each_space
def test_sampling_is_uniform_over_the_valid_rows(space):
    n = 20 * space.n_codes
    codes = space.encode(space.sample(np.random.default_rng(9), n))
    counts = np.bincount(codes, minlength=space.n_codes)
    valid = space.valid(space.decode(np.arange(space.n_codes)))
    assert not counts[~valid].any()
    assert stats.chisquare(counts[valid]).pvalue > 1e-3


@each_space_and_product
@given(seed=seeds)
def test_the_same_generator_state_gives_the_same_rows(space, seed):
    rows = rows_of(space, seed)
    for method in (
        lambda rng: space.sample(rng, 7),
        lambda rng: space.mutate(rng, rows),
        lambda rng: space.crossover(rng, rows, rows[::-1]),
    ):
        assert np.array_equal(method(np.random.default_rng(seed)), method(np.random.default_rng(seed)))


@each_space_and_product
def test_no_method_changes_its_arguments(space):
    rng = np.random.default_rng(10)
    for n in (1, 20, 200):
        rows = space.sample(rng, n)
        rows.setflags(write=False)
        space.mutate(rng, rows)
        space.crossover(rng, rows, rows)
        space.neighbourhoods(rows)
        space.canonical(rows)
        space.key(rows)
        space.valid(rows)
        space.format(rows)
        results = space.canonical(rows), space.mutate(rng, rows), space.crossover(rng, rows, rows)
        assert not any(np.shares_memory(rows, result) for result in results)


@each_space_and_product
@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 127, 128, 129, 192, 200, 1000])
def test_batches_agree_with_single_rows(space, n):
    rows = space.sample(np.random.default_rng(11), n)
    singles = [rows[i : i + 1] for i in range(n)]
    for method in (numbering(space), space.key, space.valid, space.canonical, space.format):
        batch = method(rows)
        assert len(batch) == n
        assert np.array_equal(batch, [method(single)[0] for single in singles] if n else batch)


@each_space
@pytest.mark.parametrize("layout", ["contiguous", "strided", "column-major", "int64"])
def test_layout_and_integer_type_of_a_batch_do_not_matter(space, layout):
    rows = space.sample(np.random.default_rng(12), 400)
    given = {
        "contiguous": rows,
        "strided": np.repeat(rows, 2, axis=0)[::2],
        "column-major": np.asfortranarray(rows),
        "int64": rows.astype(np.int64),
    }[layout]
    assert np.array_equal(space.encode(given), [code_of(space, row) for row in rows])


def refused_position(space, rows):
    """The gene and the limit that the error names."""
    with pytest.raises(ArchitectureError) as caught:
        numbering(space)(rows)
    return str(caught.value)


@each_space_and_product
@pytest.mark.parametrize("n", [1, 2, 127, 128, 150])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_value_out_of_range_is_found_in_every_place_of_a_batch(space, n, order):
    rows = np.array(space.sample(np.random.default_rng(13), n), order=order)
    for row, gene in itertools.product(range(n), range(space.n_genes)):
        kept = rows[row, gene]
        rows[row, gene] = space.cardinalities[gene]
        message = refused_position(space, rows)
        assert message.startswith(f"gene {gene} of architecture {rows[row].tolist()} is {rows[row, gene]};")
        assert f"takes values 0 to {space.cardinalities[gene] - 1}." in message
        rows[row, gene] = kept


@each_space_and_product
@pytest.mark.parametrize("n", [1, 200])
@pytest.mark.parametrize("value", [-1, 255, 256, 2**40, -(2**40)])
def test_wide_integers_out_of_range_are_refused_everywhere(space, n, value):
    rows = space.sample(np.random.default_rng(14), n).astype(np.int64)
    rows[n // 2, 2] = value
    assert f"gene 2 of architecture {rows[n // 2].tolist()} is {value};" in refused_position(space, rows)
    for method in (space.key, space.canonical, space.format, space.neighbourhoods):
        with pytest.raises(ArchitectureError):
            method(rows)
    expected = np.ones(n, dtype=bool)
    expected[n // 2] = False
    assert np.array_equal(space.valid(rows), expected)


@each_space_and_product
@pytest.mark.parametrize(
    "wrong",
    [np.zeros(6, np.uint8), np.zeros((2, 4), np.uint8), np.zeros((2, 99), np.uint8), [[0] * 6], np.uint8(1)],
    ids=["one row without batch", "too few genes", "too many genes", "list", "scalar"],
)
def test_arrays_of_another_shape_are_refused(space, wrong):
    with pytest.raises(ArchitectureError, match="shape"):
        numbering(space)(wrong)


@each_space_and_product
@pytest.mark.parametrize("dtype", [float, bool, object, complex])
def test_arrays_of_other_than_integers_are_refused(space, dtype):
    with pytest.raises(ArchitectureError, match="integers"):
        numbering(space)(np.zeros((3, space.n_genes), dtype=dtype))


@pytest.mark.parametrize("name", ["graph", "graph_proteins"])
@given(seed=seeds, place=st.integers(0, 299))
def test_an_invalid_row_is_found_in_every_place_of_a_batch(name, seed, place):
    space = get_space(name)
    rows = space.sample(np.random.default_rng(seed), 300)
    rows[place, 1:] = space.cardinalities[1] - 1  # skip, skip, skip, skip
    assume(not space.valid(rows[place : place + 1])[0])
    with pytest.raises(ArchitectureError, match="no layer but skip"):
        space.key(rows)
    assert np.flatnonzero(~space.valid(rows)).tolist() == [place]
