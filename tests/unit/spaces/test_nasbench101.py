"""The cell space of NAS-Bench-101 against the published cells and hashes, and against brute force."""

import csv
import gzip
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.spaces.nasbench101 import NasBench101Space

NAMES = ["conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"]
TRIANGLE = list(itertools.combinations(range(7), 2))
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def space() -> NasBench101Space:
    return get_space("nasbench101")


def read(path):
    with gzip.open(path, "rt") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole_space(shared_data):
    """Hashes and genes of all published cells; genes are padded here, without the space's own reader."""
    cells = read(shared_data / "nasbench101" / "space_423624.csv.gz")
    genes = np.zeros((len(cells), 26), dtype=np.uint8)
    for vertices in range(2, 8):
        rows = [row for row, cell in enumerate(cells) if int(cell["vertices"]) == vertices]
        to = [*range(vertices - 1), 6]
        columns = [TRIANGLE.index((to[u], to[v])) for u, v in itertools.combinations(range(vertices), 2)]
        for name, target in (("upper_triangle", columns), ("ops", range(21, 19 + vertices))):
            text = "".join(cells[row][name] for row in rows)
            if text:
                digits = np.frombuffer(text.encode(), np.uint8).reshape(len(rows), -1) - ord("0")
                genes[np.ix_(rows, list(target))] = digits
    return [cell["hash"] for cell in cells], genes


@pytest.fixture(scope="module")
def matrices():
    """All 2^21 matrices as bits `[n, 21]`, and which are valid, by walks that are followed step by step."""
    bits = ((np.arange(2**21)[:, None] >> np.arange(20, -1, -1)) & 1).astype(np.uint8)
    valid = np.concatenate([valid_by_walks(part) for part in np.array_split(bits, 64)])
    return bits, valid


def valid_by_walks(bits):
    adjacency = np.zeros((len(bits), 7, 7), dtype=np.float32)
    for column, (u, v) in enumerate(TRIANGLE):
        adjacency[:, u, v] = bits[:, column]
    reached = np.zeros((len(bits), 7), dtype=np.float32)
    reaching = reached.copy()
    reached[:, 0] = reaching[:, 6] = 1
    for _ in range(6):
        reached = np.minimum(reached + np.einsum("nu,nuv->nv", reached, adjacency), 1)
        reaching = np.minimum(reaching + np.einsum("nuv,nv->nu", adjacency, reaching), 1)
    edges = np.einsum("nu,nuv,nv->n", reached, adjacency, reaching)
    return (reached[:, 6] > 0) & (edges <= 9)


def pruned(row):
    """Edges and operations on paths from input to output, vertices by their old numbers."""
    edges = {edge for edge, bit in zip(TRIANGLE, row[:21], strict=True) if bit}
    while True:
        fed = {0} | {v for _, v in edges}
        feeding = {6} | {u for u, _ in edges}
        kept = {(u, v) for u, v in edges if u in fed and v in feeding}
        if kept == edges:
            break
        edges = kept
    used = sorted({vertex for edge in edges for vertex in edge} - {0, 6})
    return edges, {vertex: int(row[20 + vertex]) for vertex in used}


def least_form(row):
    """The least of all ways to write a pruned cell: equal for two cells exactly if they are isomorphic."""
    edges, operations = pruned(row)
    forms = []
    for order in itertools.permutations(operations):
        to = {0: 0, 6: 6} | {vertex: place for place, vertex in enumerate(order, start=1)}
        forms.append((sorted((to[u], to[v]) for u, v in edges), [operations[vertex] for vertex in order]))
    return str(min(forms))


def relabelled(rng, row):
    """An isomorphic row: vertices in another topological order, pruned ones joined to others anyhow."""
    edges, operations = pruned(row)
    vertices = list(operations)
    unused = 5 - len(vertices)
    while True:
        places = rng.permutation(5)[: len(vertices)] + 1
        to = {0: 0, 6: 6} | dict(zip(vertices, places.tolist(), strict=True))
        if all(to[u] < to[v] for u, v in edges):
            break
    there = np.zeros((7, 7), dtype=np.uint8)
    for u, v in edges:
        there[to[u], to[v]] = 1
    free = sorted(set(range(1, 6)) - set(places.tolist()))
    assert len(free) == unused
    for vertex in free:  # dangling: edges into it or out of it, never both
        if rng.random() < 0.5:
            there[:vertex, vertex] = rng.integers(2, size=vertex) * ~np.isin(range(vertex), free)
        else:
            there[vertex, vertex + 1 :] = rng.integers(2, size=6 - vertex) * ~np.isin(
                range(vertex + 1, 7), free
            )
    operations_there = rng.integers(3, size=5)
    for vertex, operation in operations.items():
        operations_there[to[vertex] - 1] = operation
    return np.concatenate([[there[edge] for edge in TRIANGLE], operations_there]).astype(np.uint8)


def random_rows(matrices, rng, n, most_edges=21):
    """Valid rows, drawn without the space's own sampler; few edges make isomorphic ones frequent."""
    bits, valid = matrices
    chosen = bits[valid & (bits.sum(axis=1) <= most_edges)]
    return np.concatenate(
        [chosen[rng.integers(len(chosen), size=n)], rng.integers(3, size=(n, 5), dtype=np.uint8)], axis=1
    )


# -- numbering -------------------------------------------------------------------------------------------


def test_published_cells_have_all_numbers_once(space, whole_space):
    _, genes = whole_space
    assert np.array_equal(np.sort(space.encode(genes)), np.arange(423_624))
    assert space.distinct == space.n_codes == 423_624
    assert np.array_equal(space.representative_of_code, np.arange(423_624))


def test_size_and_validity_of_all_matrices(space, matrices):
    bits, valid = matrices
    assert space.size == 243 * np.count_nonzero(valid)
    for operations in ([0, 0, 0, 0, 0], [2, 1, 0, 1, 2]):
        genes = np.concatenate([bits, np.tile(np.uint8(operations), (len(bits), 1))], axis=1)
        assert np.array_equal(space.valid(genes), valid)


def test_relabelled_cells_have_the_same_number(space, matrices):
    rng = np.random.default_rng(1)
    rows = random_rows(matrices, rng, 1500)
    others = np.array([relabelled(rng, row) for row in rows])
    assert (rows != others).any(axis=1).mean() > 0.9
    assert np.array_equal(space.encode(rows), space.encode(others))


@pytest.mark.parametrize("most_edges", [4, 6, 21])
def test_numbers_are_equal_exactly_for_isomorphic_cells(space, matrices, most_edges):
    rows = random_rows(matrices, np.random.default_rng(2), 700, most_edges)
    _, by_code = np.unique(space.encode(rows), return_inverse=True)
    _, by_form = np.unique([least_form(row) for row in rows], return_inverse=True)
    pairs = set(zip(by_code.tolist(), by_form.tolist(), strict=True))
    assert len(pairs) == by_code.max() + 1 == by_form.max() + 1
    assert most_edges == 21 or len(pairs) < len(rows)


def test_decode_gives_representatives(space):
    codes = np.arange(space.n_codes)
    rows = space.decode(codes)
    assert rows.shape == (423_624, 26)
    assert np.array_equal(space.encode(rows), codes)
    assert np.array_equal(space.canonical(rows), rows)
    # Stored tables rely on the order: vertices, then graph, then operations.
    vertices = np.array([len(pruned(row)[1]) for row in rows[::97]])
    order = np.lexsort((*rows[::97].T[::-1], vertices))
    assert np.array_equal(order, np.arange(len(order)))


def test_canonical_is_an_isomorphic_row_of_the_same_key(space, matrices):
    rows = random_rows(matrices, np.random.default_rng(3), 500)
    canonical = space.canonical(rows)
    assert [least_form(row) for row in canonical] == [least_form(row) for row in rows]
    assert np.array_equal(space.key(canonical), space.key(rows))
    assert space.key(rows).dtype == np.uint64
    for row in canonical:  # vertices in use come first, the others have nothing
        edges, operations = pruned(row)
        assert list(operations) == list(range(1, len(operations) + 1))
        assert int(row[:21].sum()) == len(edges)
        assert not row[21 + len(operations) :].any()


@pytest.mark.parametrize("n", [0, 1, 2, 63, 64, 65, 8191, 8192, 8193, 20_000])
@pytest.mark.parametrize("layout", ["contiguous", "strided", "column-major", "int64"])
def test_batches_agree_with_single_rows_in_every_layout(space, matrices, n, layout):
    rows = random_rows(matrices, np.random.default_rng(4), n)
    given = {
        "contiguous": rows,
        "strided": np.repeat(rows, 2, axis=0)[::2],
        "column-major": np.asfortranarray(rows),
        "int64": rows.astype(np.int64),
    }[layout]
    codes = space.encode(given)
    assert codes.dtype == np.int64
    assert codes.shape == (n,)
    some = range(0, n, 1 + n // 200)
    assert [codes[row] for row in some] == [space.encode_one(given[row : row + 1]) for row in some]
    assert space.valid(given).all()


@pytest.mark.parametrize("n", [1, 2, 64, 129])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_value_out_of_range_is_found_in_every_place(space, n, order):
    rows = np.array(space.sample(np.random.default_rng(5), n), order=order)
    for row, gene in itertools.product({0, n // 2, n - 1}, range(26)):
        for value in {space.cardinalities[gene], 3, 255}:
            kept = rows[row, gene]
            rows[row, gene] = value
            with pytest.raises(ArchitectureError, match=f"^gene {gene} of architecture .* is {value};"):
                space.encode(rows)
            assert np.flatnonzero(~space.valid(rows)).tolist() == [row]
            rows[row, gene] = kept


@pytest.mark.parametrize("value", [-1, 256, 2**40, -(2**40)])
@pytest.mark.parametrize("n", [1, 100])
def test_wide_integers_out_of_range_are_refused(space, value, n):
    rows = space.sample(np.random.default_rng(6), n).astype(np.int64)
    rows[n // 2, 23] = value
    for method in (space.encode, space.key, space.canonical, space.format, space.neighbourhoods):
        with pytest.raises(ArchitectureError, match=f"gene 23 .* is {value};"):
            method(rows)
    assert np.flatnonzero(~space.valid(rows)).tolist() == [n // 2]


@pytest.mark.parametrize("place", [0, 77, 9999])
def test_invalid_rows_are_refused_with_the_reason(space, place):
    rng = np.random.default_rng(7)
    for fault, reason in (
        (np.ones(21), "21 edges lie on paths from its input to its output, at most 9 may"),
        (np.zeros(21), "no path leads from its input to its output"),
    ):
        rows = space.sample(rng, 10_000)
        rows[place, :21] = fault
        for batch in (rows, rows[place : place + 1]):
            for method in (space.encode, space.canonical, space.key, space.format, space.module_hash):
                with pytest.raises(ArchitectureError, match=reason):
                    method(batch)
            with pytest.raises(ArchitectureError, match=reason):
                space.mutate(rng, batch)
            with pytest.raises(ArchitectureError, match=reason):
                space.crossover(rng, space.sample(rng, len(batch)), batch)


@pytest.mark.parametrize(
    "wrong",
    [np.zeros(26, np.uint8), np.zeros((2, 25), np.uint8), np.zeros((2, 27), np.uint8), [[0] * 26]],
    ids=["one row without batch", "too few genes", "too many genes", "list"],
)
def test_arrays_of_another_shape_are_refused(space, wrong):
    for method in (space.encode, space.valid, space.neighbourhoods):
        with pytest.raises(ArchitectureError, match="shape"):
            method(wrong)


@pytest.mark.parametrize("dtype", [float, bool, object])
def test_arrays_of_other_than_integers_are_refused(space, dtype):
    with pytest.raises(ArchitectureError, match="integers"):
        space.encode(np.zeros((3, 26), dtype=dtype))


# -- drawing and changing --------------------------------------------------------------------------------


def test_sampling_is_uniform_over_the_valid_rows(space, matrices):
    bits, valid = matrices
    n = 200_000
    rows = space.sample(np.random.default_rng(8), n)
    assert space.valid(rows).all()
    # Coarse cells of the exact distribution: the first ten edges, and the number of edges.
    for describe in (lambda b: b[:, :10] @ (1 << np.arange(10)), lambda b: b.sum(axis=1, dtype=int)):
        expected = np.bincount(describe(bits[valid])) / valid.sum() * n
        found = np.bincount(describe(rows[:, :21]), minlength=len(expected))
        assert not found[expected == 0].any()
        common = expected > 5
        rare = [found[~common].sum()], [expected[~common].sum()]
        if rare[1][0] > 5:
            found, expected = (np.append(a[common], b) for a, b in ((found, rare[0]), (expected, rare[1])))
        else:
            found, expected = found[common], expected[common]
        assert stats.chisquare(found, expected * found.sum() / expected.sum()).pvalue > 1e-3
    operations = rows[:, 21:] @ (3 ** np.arange(5))
    assert stats.chisquare(np.bincount(operations, minlength=243)).pvalue > 1e-3


@pytest.mark.parametrize(
    "parent",
    ["10011010000100101010102001", "00000111111111111111122110"],
    ids=["nine edges", "one edge, and all others hang"],
)
def test_mutation_is_that_of_the_published_notebook(space, matrices, parent):
    bits, valid = matrices
    parent = np.array([*map(int, parent)], dtype=np.uint8)
    n = 40_000
    mutants = space.mutate(np.random.default_rng(9), np.tile(parent, (n, 1)))
    flips = bits[valid] ^ parent[:21]
    flipped = flips.sum(axis=1, dtype=np.int64)
    weight = (1 / 6) ** flipped
    chance = flips.T @ weight / weight.sum()
    found = (mutants[:, :21] != parent[:21]).mean(axis=0)
    assert (np.abs(found - chance) < 4.5 * np.sqrt(chance * (1 - chance) / n) + 1e-9).all()
    number = np.bincount(flipped, weights=weight, minlength=22) / weight.sum() * n
    counted = np.bincount((mutants[:, :21] != parent[:21]).sum(axis=1), minlength=22)
    common = number > 10
    expected = number[common] * counted[common].sum() / number[common].sum()
    assert stats.chisquare(counted[common], expected).pvalue > 1e-3
    for gene in range(21, 26):
        values = np.bincount((mutants[:, gene] + 3 - parent[gene]) % 3, minlength=3)
        assert stats.chisquare(values, [0.8 * n, 0.1 * n, 0.1 * n]).pvalue > 1e-3


def test_children_are_uniform_over_the_valid_mixtures(space, matrices):
    rng = np.random.default_rng(10)
    mother, father = random_rows(matrices, rng, 2)
    father = np.where(np.cumsum(mother != father) <= 7, father, mother)  # seven genes differ
    differ = np.flatnonzero(mother != father)
    mixtures = np.tile(mother, (2 ** len(differ), 1))
    choices = (np.arange(2 ** len(differ))[:, None] >> np.arange(len(differ))) & 1
    mixtures[:, differ] = np.where(choices, father[differ], mother[differ])
    expected = {
        tuple(row) for row, fine in zip(mixtures.tolist(), valid_by_walks(mixtures), strict=True) if fine
    }
    n = 200 * len(expected)
    children = space.crossover(rng, np.tile(mother, (n, 1)), np.tile(father, (n, 1)))
    found, counts = np.unique(children, axis=0, return_counts=True)
    assert {tuple(row) for row in found.tolist()} == expected
    assert stats.chisquare(counts).pvalue > 1e-3


@given(seed=seeds)
def test_neighbours_are_the_valid_rows_with_one_gene_changed(space, seed):
    rows = space.sample(np.random.default_rng(seed), 3)
    neighbours, present = space.neighbourhoods(rows)
    assert neighbours.shape == (3, 31, 26)
    for row, near, there in zip(rows, neighbours, present, strict=True):
        expected = []
        for gene, cardinality in enumerate(space.cardinalities):
            for value in set(range(cardinality)) - {int(row[gene])}:
                changed = row.copy()
                changed[gene] = value
                if valid_by_walks(changed[None])[0]:
                    expected.append(tuple(changed.tolist()))
        assert sorted(map(tuple, near[there].tolist())) == sorted(expected)
        assert np.array_equal(space.neighbours(row), near[there])


def test_generators_decide_and_arguments_stay_as_they_are(space):
    rows = space.sample(np.random.default_rng(11), 500)
    rows.setflags(write=False)
    for method in (
        lambda rng: space.sample(rng, 500),
        lambda rng: space.mutate(rng, rows),
        lambda rng: space.crossover(rng, rows, rows[::-1]),
        lambda rng: space.neighbourhoods(rows)[0],
        lambda rng: space.canonical(rows),
    ):
        first, second = method(np.random.default_rng(12)), method(np.random.default_rng(12))
        assert np.array_equal(first, second)
        assert first.dtype == np.uint8
        assert not np.shares_memory(first, rows)


# -- reading and writing ---------------------------------------------------------------------------------


def test_published_cells_are_read_and_written(space, shared_data):
    for cell in read(shared_data / "nasbench101" / "sample_30001.csv.gz")[:1500]:
        row = space.parse(f"{cell['upper_triangle']}:{cell['ops']}")
        assert space.format(row[None]) == [f"{cell['upper_triangle']}:{cell['ops']}"]
        assert space.module_hash(row[None]) == [cell["hash"]]


def test_text_is_read_back(space, matrices):
    rows = random_rows(matrices, np.random.default_rng(13), 1000)
    texts = space.format(rows)
    for row, text in zip(rows, texts, strict=True):
        edges, operations = pruned(row)
        kept = [0, *operations, 6]
        triangle = "".join(str(int(edge in edges)) for edge in itertools.combinations(kept, 2))
        assert text == f"{triangle}:{''.join(map(str, operations.values()))}"
    assert np.array_equal(space.encode(np.stack([space.parse(text) for text in texts])), space.encode(rows))
    canonical = space.canonical(rows)
    assert np.array_equal(np.stack([space.parse(text) for text in space.format(canonical)]), canonical)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("101", "^character 4 of '101': a colon and the operations are missing"),
        ("1x1:0", "^character 2 of '1x1:0' is 'x'; an edge is 0 or 1"),
        ("  1 1:0", "^character 4 of .* is ' '"),
        ("1011:0", "^character 5 of .* has 4 entries"),
        ("101:3", "^character 5 of '101:3' is '3'; operations are 0 conv3x3-bn-relu, 1 conv1x1"),
        ("101:", "^character 5 of '101:': 3 vertices have 1 operation"),
        ("101:01", "^character 7 of '101:01': 3 vertices have 1 operation"),
        ("0:", "no path leads"),
        ("1" * 21 + ":00000", "21 edges lie on paths"),
    ],
)
def test_misspelt_text_is_refused_at_the_character(space, text, message):
    with pytest.raises(ArchitectureError, match=message):
        space.parse(text)


@given(text=st.text(alphabet="01201:² ", max_size=30) | st.from_regex(r"[01]{21}:[012]{5}", fullmatch=True))
def test_no_text_raises_anything_but_the_architecture_error(space, text):
    try:
        row = space.parse(text)
    except ArchitectureError:
        return
    assert space.valid(row[None])[0]


def test_the_inception_like_cell_of_the_official_notebook(space):
    matrix = np.zeros((7, 7), dtype=int)
    for edge in [(0, 1), (0, 2), (0, 3), (0, 5), (1, 6), (2, 6), (3, 4), (4, 6), (5, 6)]:
        matrix[edge] = 1
    operations = ["input", NAMES[1], NAMES[0], NAMES[0], NAMES[0], NAMES[2], "output"]
    row = space.from_matrix(matrix, operations)
    assert space.format(row[None]) == ["".join(str(matrix[edge]) for edge in TRIANGLE) + ":10002"]


@pytest.mark.parametrize("vertices", range(2, 8))
def test_matrices_of_every_size_are_read(space, vertices):
    chain = np.eye(vertices, k=1, dtype=int)
    chain[0, -1] = 1
    names = [NAMES[vertex % 3] for vertex in range(vertices - 2)]
    row = space.from_matrix(chain.tolist(), ["input", *names, "output"])
    edges, found = pruned(row)
    to = [*range(vertices - 1), 6]
    assert edges == {(to[u], to[v]) for u, v in zip(*np.nonzero(chain), strict=True)}
    assert [NAMES[operation] for operation in found.values()] == names


def test_matrices_with_too_many_edges_are_refused(space):
    full = np.triu(np.ones((5, 5), dtype=int), 1)
    with pytest.raises(ArchitectureError, match="10 edges lie on paths"):
        space.from_matrix(full, ["input", *[NAMES[0]] * 3, "output"])
    full[1, 4] = full[2, 4] = full[3, 4] = 0  # all but one edge leads nowhere
    row = space.from_matrix(full, ["input", *[NAMES[0]] * 3, "output"])
    assert space.format(row[None]) == ["1:"]


@pytest.mark.parametrize(
    ("matrix", "operations", "message"),
    [
        ([[0, 1], [0, 0]], ["input", NAMES[0], "output"], r"shape \(2, 2\) with 3 operations"),
        (np.eye(8, k=1), ["input", *[NAMES[0]] * 6, "output"], "2 to 7 vertices"),
        ([[0]], ["input"], "2 to 7 vertices"),
        ([0, 1], ["input", "output"], "2 to 7 vertices"),
        ([[0, 2], [0, 0]], ["input", "output"], "zeros and ones"),
        ([[0, 0.5], [0, 0]], ["input", "output"], "zeros and ones"),
        ([[0, 1], [1, 0]], ["input", "output"], "upper-triangular"),
        ([[1, 1], [0, 0]], ["input", "output"], "upper-triangular"),
        ([[0, 1], [0, 0]], ["output", "input"], "begin with input and end with output"),
        (np.eye(3, k=1), ["input", "conv3x3-bn-rel", "output"], "did you mean conv3x3-bn-relu"),
        ([[0, 0], [0, 0]], ["input", "output"], "no path leads"),
    ],
)
def test_other_matrices_are_refused(space, matrix, operations, message):
    with pytest.raises(ArchitectureError, match=message):
        space.from_matrix(matrix, operations)


def test_hashes_do_not_depend_on_the_labelling(space, matrices):
    rng = np.random.default_rng(14)
    rows = random_rows(matrices, rng, 300)
    assert space.module_hash(rows) == space.module_hash(np.array([relabelled(rng, row) for row in rows]))


def test_hashes_of_some_published_cells_of_every_size(space, whole_space):
    hashes, genes = whole_space
    some = np.r_[0:2532, 2532 : len(hashes) : 211]
    assert space.module_hash(genes[some]) == [hashes[row] for row in some]


@pytest.mark.slow
def test_hashes_of_all_published_cells(space, whole_space):
    hashes, genes = whole_space
    assert space.module_hash(genes) == hashes
