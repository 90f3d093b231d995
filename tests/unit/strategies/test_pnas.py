"""PNAS: how cells grow, whom a level evaluates, and that it finds more than chance."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import NasbenchSuiteError, get_space, get_strategy, search
from nasbench_suite.spaces import space_names
from nasbench_suite.strategies import SideBySide
from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.strategies.pnas import Pnas
from nasbench_suite.strategies.progressive import first_blocks, grown, levels

QUICK = {"epochs": 20, "beam": 10}


def one(space="nats_topology", seed=0, **settings):
    return SideBySide(Pnas, get_space(space), seed=seed, **{**QUICK, **settings}).searches[0]


def test_cells_of_one_block_are_one_operation():
    space = get_space("nats_topology")
    for row in first_blocks("nats_topology"):
        (cells,) = space.graphs(row[None])
        used = [label for label in cells.labels[0] if label < len(cells.operations)]
        assert len(used) == 2  # the operation, and the skip to the output
        assert cells.operations[used[1]] == "skip_connect"
    assert len(first_blocks("nats_topology")) == 4
    assert len(first_blocks("graph")) == 8


def test_cells_of_two_nodes_are_all_that_there_are():
    space = get_space("nats_topology")
    expected = set()
    for a, (b, c) in product((1, 2, 3, 4), product(range(5), repeat=2)):
        row = np.array([[a, b, c, 0, 0, 1]], dtype=np.uint8)
        expected.add(int(space.key(row)[0]))
    found = grown("nats_topology", first_blocks("nats_topology"), 1)
    assert set(space.key(found).tolist()) == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ("name", "reached"), [("nats_topology", 5026), ("graph", 26062), ("graph_proteins", 1981)]
)
def test_most_cells_are_reached_by_growing_and_the_card_says_how_many(name, reached):
    space, rows = get_space(name), first_blocks(name)
    keys = set(space.key(rows).tolist())
    for level in range(1, levels(name)):
        rows = grown(name, rows, level)
        assert space.valid(rows).all()
        keys |= set(space.key(rows).tolist())
    assert len(keys) == reached
    said = " ".join(strategy_cards()["pnas"].deviations)
    assert f"{reached:,} of {space.distinct:,}" in said


def test_a_level_evaluates_the_best_predicted_children_of_the_level_before(monkeypatch):
    worth = np.random.default_rng(0).normal(size=(6, 5))
    monkeypatch.setattr(Pnas, "predicted", lambda self, rows: worth[range(6), rows].sum(1))
    search_ = one()
    rounds = {}
    for _ in range(4 + 10 + 10 + 10):
        row = search_.propose()
        rounds.setdefault((search_.level, len(search_.others)), []).append(row)
        search_.observe(row, 0.0)
    sizes = [len(rows) for rows in rounds.values()]
    assert sizes == [4, 10, 10, 10]
    first, second, third, fourth = (np.stack(rows) for rows in rounds.values())
    space = get_space("nats_topology")
    for parents, level, beam in ((first, 1, second), (second, 2, third)):
        children = grown("nats_topology", parents, level)
        known = space.key(np.concatenate([first, second]))[: 4 if level == 1 else 14]
        children = children[~np.isin(space.key(children), known)]
        best = children[np.argsort(-worth[range(6), children].sum(1), kind="stable")]
        assert (beam == best[:10]).all()
    assert (fourth == best[10:20]).all()


def test_it_finds_more_than_random_search(cora):
    found = search("pnas", cora, evaluations=80, runs=10, seed=0, settings=QUICK)
    chance = search("random_search", cora, evaluations=80, runs=10, seed=0)
    late, random = found.valid[:, 40:].mean(1), chance.valid[:, 40:].mean(1)
    assert stats.mannwhitneyu(late, random, alternative="greater").pvalue < 0.01


def test_when_all_is_known_it_goes_on_at_random():
    search_ = one("graph_proteins", beam=2021, epochs=1)
    space = get_space("graph_proteins")
    seen = set()
    for _ in range(2100):
        row = search_.propose()
        seen.add(int(space.key(row[None])[0]))
        search_.observe(row, 0.5)
    assert len(seen) >= 1981  # all that grow, and some at random
    assert space.valid(np.stack(search_.seen)).all()


def test_spaces_whose_cells_do_not_grow_are_refused():
    with pytest.raises(NasbenchSuiteError, match="no space whose cells grow block by block called 'macro'"):
        SideBySide(get_strategy("pnas"), get_space("macro"))


def test_a_space_whose_cells_do_not_grow_is_refused_before_any_work():
    with pytest.raises(NasbenchSuiteError, match="macro/mnist1d is of the space macro; give another"):
        search("pnas", "macro/mnist1d", evaluations=5)


def test_the_card_names_the_spaces_whose_cells_grow():
    for name in space_names():
        if name in strategy_cards()["pnas"].spaces:
            assert len(first_blocks(name))
        else:
            with pytest.raises(NasbenchSuiteError, match="grow block by block"):
                first_blocks(name)
