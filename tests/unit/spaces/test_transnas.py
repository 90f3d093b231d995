"""TransNAS-Bench-101's spaces against the published codes, their counts and the counts that NASLib draws."""

import itertools

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import ArchitectureError, get_space
from nasbench_suite.spaces.transnas import EDGES, OPERATIONS


@pytest.fixture(scope="module")
def micro():
    return get_space("transnas_micro")


@pytest.fixture(scope="module")
def macro():
    return get_space("transnas_macro")


def every_text(space):
    rows = space.decode(np.arange(space.n_codes))
    return space.format(rows[space.valid(rows)])


def test_micro_codes_are_all_cells_of_the_published_form(micro):
    digits = itertools.product("0123", repeat=6)
    expected = [f"64-41414-{a}_{b}{c}_{d}{e}{f}" for a, b, c, d, e, f in digits]
    assert every_text(micro) == expected
    assert micro.size == micro.distinct == 4_096


def test_the_example_cell_of_the_authors(micro):
    """From the README: node 1 skips, node 2 is none(0) + 1x1(1), node 3 is 3x3 of all."""
    named = {
        edge: OPERATIONS[gene] for edge, gene in zip(EDGES, micro.parse("64-41414-1_02_333"), strict=True)
    }
    assert named == {
        (0, 1): "skip_connect",
        (0, 2): "none",
        (1, 2): "conv_1x1",
        (0, 3): "conv_3x3",
        (1, 3): "conv_3x3",
        (2, 3): "conv_3x3",
    }


def test_macro_codes_are_those_that_naslib_draws(macro):
    """All ways to place 1 to 4 halvings and, independently, 1 to 3 doublings in 4 to 6 modules."""
    expected = set()
    for length, halvings, doublings in itertools.product((4, 5, 6), (1, 2, 3, 4), (1, 2, 3)):
        for halving in itertools.combinations(range(length), halvings):
            for doubling in itertools.combinations(range(length), doublings):
                modules = [1 + 2 * (place in halving) + (place in doubling) for place in range(length)]
                expected.add(f"64-{''.join(map(str, modules))}-basic")
    found = every_text(macro)
    assert len(found) == len(set(found)) == macro.size == macro.distinct == 3_256  # as published
    assert set(found) == expected


@pytest.mark.parametrize("text", ["64-1234-basic", "64-2311-basic", "64-4111-basic"])
def test_codes_in_the_documentation_are_read(macro, text):
    assert macro.format(macro.parse(text)[None]) == [text]


def test_a_fifth_and_a_sixth_module_are_one_step_away_each(macro):
    near = set(macro.format(macro.neighbours(macro.parse("64-12341-basic"))))
    assert "64-1234-basic" in near
    assert "64-123411-basic" in near
    assert {"64-123-basic", "64-1234111-basic"}.isdisjoint(near)


def test_every_skeleton_is_reached_from_every_other(macro):
    seen = {int(macro.key(macro.parse("64-1234-basic")[None])[0])}
    front = macro.parse("64-1234-basic")[None]
    while len(front):
        near, present = macro.neighbourhoods(front)
        new = np.unique(macro.key(near[present]).astype(int))
        new = np.array([code for code in new.tolist() if code not in seen], dtype=int)
        seen.update(new.tolist())
        front = macro.decode(new)
    assert len(seen) == 3_256


def test_micro_mutation_draws_an_edge_then_another_operation(micro):
    parent = micro.parse("64-41414-1_02_333")[None]
    mutants = micro.mutate(np.random.default_rng(1), parent.repeat(36_000, axis=0))
    _, counts = np.unique(mutants, axis=0, return_counts=True)
    assert len(counts) == 18
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("given", "place", "says"),
    [
        ("64-41414-1_42_333", 12, "2 for conv_1x1"),
        ("64-41414-1_02_33", 17, "64-41414-1_02_333"),
        ("64-41414-1_02_3333", 18, "64-41414-1_02_333"),
        ("64-41414-1-02_333", 11, "64-41414-1_02_333"),
        ("64-1234-basic", 4, "64-41414-1_02_333"),
        ("", 1, "64-41414-1_02_333"),
    ],
)
def test_micro_parse_errors_name_the_character(micro, given, place, says):
    with pytest.raises(ArchitectureError) as caught:
        micro.parse(given)
    assert f"character {place} of {given!r}" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("64-1254-basic", "character 6 of"),
        ("64-123-basic", "with four to six modules"),
        ("64-1234123-basic", "with four to six modules"),
        ("32-1234-basic", "character 1 of"),
        ("64-1234-resnet", "character 9 of"),
        ("64-1234-basic-", "character 9 of"),
        ("64-41414-1_02_333", "character 10 of"),
        ("64-1111-basic", "halves the resolution 0 time(s) and doubles the channels 0 time(s)"),
        ("64-33333-basic", "halves the resolution 5 time(s)"),
        ("64-4222-basic", "doubles the channels 4 time(s)"),
        ("", "character 1 of"),
    ],
)
def test_macro_parse_errors_say_what_is_wrong(macro, given, says):
    with pytest.raises(ArchitectureError) as caught:
        macro.parse(given)
    assert says in str(caught.value)


def test_a_skeleton_with_a_gap_is_invalid(macro):
    row = np.array([[0, 1, 2, 3, 4, 0]], dtype=np.uint8)
    assert not macro.valid(row)[0]
    with pytest.raises(ArchitectureError, match="a sixth module but no fifth"):
        macro.format(row)
