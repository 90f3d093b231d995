"""Hyperband, ASHA and grid search: the papers' algorithms written out, and what going on costs."""

import math
from itertools import product

import numpy as np
import pytest

from nasbench_suite import Budget, NasbenchSuiteError, get_space, search
from nasbench_suite.benchmark import Evaluations
from nasbench_suite.loop import play
from nasbench_suite.strategies.asha import Asha
from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.strategies.grid_search import GridSearch
from nasbench_suite.strategies.hyperband import Hyperband
from nasbench_suite.tabular import TabularBenchmark

SPACE = get_space("nats_topology")
EPOCHS = (1, 3, 9, 27)


@pytest.fixture(scope="module")
def task(make_table):
    """Seconds grow with the epochs, so that a difference of two is what going on takes."""
    table = make_table(epochs=EPOCHS, repeats=1)
    table.columns["train_seconds"] = np.sort(table.columns["train_seconds"], axis=2) * np.array(EPOCHS)
    return TabularBenchmark(table)


def test_brackets_of_hyperband_are_those_of_its_first_table():
    # Li et al., table 1: R = 81, eta = 3.
    expected = {
        4: [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        3: [(34, 3), (11, 9), (3, 27), (1, 81)],
        2: [(15, 9), (5, 27), (1, 81)],
        1: [(8, 27), (2, 81)],
        0: [(5, 81)],
    }
    strategy = Hyperband(SPACE, max_epochs=81)
    for halvings, rows in expected.items():
        stages = strategy.stages_of(4 - halvings, 5)
        assert [(stage.size, strategy.epochs[stage.rung]) for stage in stages] == rows


def test_the_better_third_of_a_stage_goes_on_and_costs_the_difference(task):
    runs = play(Hyperband(SPACE, runs=3, max_epochs=27), task, Budget(evaluations=27 + 9 + 3 + 1))
    for run in range(3):
        stages = np.split(np.arange(40), [27, 36, 39])
        for below, above, epochs in zip(stages, stages[1:], EPOCHS[1:], strict=False):
            best = sorted(below, key=lambda step: -runs.valid[run, step])[: len(above)]
            assert (runs.genes[run, above] == runs.genes[run, sorted(best)]).all()
            assert (runs.epochs[run, above] == epochs).all()
    for run in range(3):
        paid = {}
        for genes, epochs, seconds in zip(runs.genes[run], runs.epochs[run], runs.seconds[run], strict=True):
            key = int(task.identity(genes[None])[0])
            paid[key] = paid.get(key, 0.0) + seconds
            whole = task.query(genes[None], epochs=int(epochs)).seconds[0]
            assert paid[key] == pytest.approx(whole)


def asha_by_hand(scores_of, eta, rungs, steps, draws):
    """Algorithm 2 of the paper, one run: yields (architecture, rung) for every step."""
    done = [[] for _ in range(rungs)]
    promoted = [set() for _ in range(rungs)]
    drawn = iter(draws)
    for _ in range(steps):
        job = None
        for rung in reversed(range(rungs - 1)):
            ranked = sorted(done[rung], key=lambda entry: -entry[1])
            able = [who for who, _ in ranked[: len(ranked) // eta] if who not in promoted[rung]]
            if able:
                promoted[rung].add(able[0])
                job = able[0], rung + 1
                break
        if job is None:
            job = next(drawn), 0
        done[job[1]].append((job[0], scores_of(*job)))
        yield job


@pytest.mark.parametrize("eta", [2, 3])
def test_asha_promotes_as_in_its_second_algorithm(eta):
    rng = np.random.default_rng(0)
    table = rng.permutation(4 * SPACE.n_codes).reshape(4, -1).astype(float)
    strategy = Asha(SPACE, runs=4, seed=1, eta=eta, max_epochs=8 if eta == 2 else 27)
    rungs = {epochs: rung for rung, epochs in enumerate(strategy.epochs)}
    assert len(rungs) == 4
    played = []
    for _ in range(150):
        proposals = strategy.ask()
        codes = SPACE.encode(proposals.genes)
        places = np.array([rungs[epochs] for epochs in proposals.epochs.tolist()])
        played.append((codes, places))
        strategy.tell(proposals, Evaluations(table[places, codes]))
    for run in range(4):
        found = [(int(codes[run]), int(places[run])) for codes, places in played]
        draws = list(enumerate(code for code, rung in found if rung == 0))  # one may be drawn twice
        expected = asha_by_hand(lambda who, rung: table[rung, who[1]], eta, 4, 150, draws)
        assert [(who[1], rung) for who, rung in expected] == found
        assert max(rung for _, rung in found) == 3


def test_runs_of_asha_ask_for_epochs_of_their_own_and_pay_for_them(task):
    found = search("asha", task, evaluations=60, runs=6, seed=0, settings={"max_epochs": 27})
    assert len({run.tobytes() for run in found.epochs}) > 1
    for run in range(6):
        paid = {}
        for step in range(60):
            genes, epochs = found.genes[run, step][None], int(found.epochs[run, step])
            answer = task.query(genes, epochs=epochs)
            assert answer.valid[0] == found.valid[run, step]
            key = int(task.identity(genes)[0])
            paid[key] = paid.get(key, 0.0) + found.seconds[run, step]
            assert paid[key] == pytest.approx(answer.seconds[0])


def test_failures_are_never_promoted():
    strategy = Asha(SPACE, runs=2, max_epochs=27)
    for _ in range(40):
        proposals = strategy.ask()
        assert (proposals.epochs == 1).all()
        strategy.tell(proposals, Evaluations(np.full(2, np.nan)))


def test_without_epochs_every_rung_is_full_training(cora):
    for name in ("asha", "hyperband"):
        found = search(name, cora, evaluations=30, runs=3)
        assert (found.epochs == 0).all()


def test_budgets_that_cannot_be_are_refused():
    for cls in (Asha, Hyperband):
        with pytest.raises(
            NasbenchSuiteError, match="min_epochs is 30, but max_epochs is 27; raise the latter"
        ):
            cls(SPACE, min_epochs=30, max_epochs=27)


class Fixed(Strategy):
    """Proposes one architecture after these epochs, the second run after others."""

    resumes = True

    def setup(self):
        self.step = 0

    def ask(self):
        epochs = np.array([(9, 3, 27, 9), (1, 1, 3, 27)])[:, self.step]
        return Proposals(np.full((2, 6), 3, dtype=np.uint8), epochs)

    def tell(self, proposals, evaluations):
        self.step += 1


def test_going_on_costs_the_difference_and_less_than_before_costs_nothing(task):
    runs = play(Fixed(SPACE, runs=2), task, Budget(evaluations=4))
    row = np.full((1, 6), 3, dtype=np.uint8)
    cost = {epochs: task.query(row, epochs=epochs).seconds[0] for epochs in EPOCHS}
    np.testing.assert_allclose(runs.seconds[0], [cost[9], 0, cost[27] - cost[9], 0])
    np.testing.assert_allclose(runs.seconds[1], [cost[1], 0, cost[3] - cost[1], cost[27] - cost[3]])
    np.testing.assert_allclose(runs.valid[1, 3], task.query(row, epochs=27).valid[0])


def test_a_whole_grid_has_every_architecture_once():
    space = get_space("transnas_macro")
    strategy = GridSearch(space, runs=2, seed=3)
    seen = []
    for _ in range(space.size):
        proposals = strategy.ask()
        assert space.valid(proposals.genes).all()
        seen.append(space.key(proposals.genes))
        strategy.tell(proposals, Evaluations(np.zeros(2)))
    for run in range(2):
        assert len({int(keys[run]) for keys in seen}) == space.size
    assert (np.array(seen)[:, 0] != np.array(seen)[:, 1]).any()
    assert (space.key(strategy.ask().genes) == seen[0]).all()  # and begins anew


def test_a_coarse_grid_has_evenly_spread_values():
    strategy = GridSearch(get_space("nats_size"), levels=3, seed=1)
    assert strategy.size == 3**5
    rows = []
    for _ in range(3**5):
        rows.append(tuple(strategy.ask().genes[0].tolist()))
        strategy.tell(None, None)
    assert set(rows) == set(product((0, 3, 7), repeat=5))


def test_neighbouring_points_differ_in_the_gene_that_changes_fastest():
    strategy = GridSearch(SPACE, runs=3, seed=2)
    first = strategy.ask().genes
    strategy.tell(None, None)
    changed = strategy.ask().genes != first
    assert (changed.sum(1) == 1).all()
    assert (changed.argmax(1) == strategy.orders[:, 0]).all()


def test_a_grid_too_large_to_number_is_walked_all_the_same():
    space = get_space("fbnet")
    strategy = GridSearch(space, runs=2)
    assert strategy.size < math.prod(space.cardinalities)
    for _ in range(5):
        assert space.valid(strategy.ask().genes).all()
        strategy.tell(None, None)
