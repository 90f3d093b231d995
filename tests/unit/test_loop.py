"""The loop: when runs end, what is recorded, what duplicates cost; against hand computations."""

import warnings

import numpy as np
import pytest

from nasbench_suite import ArchitectureError, Budget, NasbenchSuiteError, Proposals, Strategy, get_space
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import NasbenchSuiteWarning
from nasbench_suite.loop import play
from nasbench_suite.tabular import TabularBenchmark


class Scripted(Strategy):
    """Proposes row `script[t]` of the table in step t, the last one for ever; keeps what it is told."""

    def __init__(self, task, script, *, epochs=None, bill=None, **kwargs):
        self.task, self.plan, self.asked_epochs, self.bill, self.told = task, script, epochs, bill, []
        super().__init__(task.space, runs=len(script[0]), **kwargs)

    def ask(self):
        rows = self.plan[min(len(self.told), len(self.plan) - 1)]
        seconds = None if self.bill is None else np.full(self.runs, self.bill)
        return Proposals(self.task.table.genes[rows], self.asked_epochs, seconds)

    def tell(self, proposals, evaluations):
        self.told.append(evaluations)


@pytest.fixture
def costly(make_table):
    """Row i of the table costs COSTS[i] seconds in every training."""
    table = make_table(rows=8)
    table.columns["train_seconds"][:] = np.array(COSTS)[:, None, None]
    return TabularBenchmark(table)


COSTS = [10.0, 20.0, 30.0, 40.0, 50.0, 5.0, 100.0, 1.0]


def recorded_rows(task, runs, run):
    return task.rows(runs.genes[run, : runs.length[run]]).tolist()


def test_a_budget_of_evaluations_counts_proposals(costly):
    script = [[0, 1], [2, 2], [2, 3], [4, 4]]
    runs = play(Scripted(costly, script), costly, Budget(evaluations=3))
    assert runs.length.tolist() == [3, 3]
    assert [recorded_rows(costly, runs, run) for run in (0, 1)] == [[0, 2, 2], [1, 2, 3]]
    assert np.array_equal(runs.valid, costly.query(costly.table.genes).valid[[[0, 2, 2], [1, 2, 3]]])
    assert runs.seconds.tolist() == [[10, 30, 30], [20, 30, 40]]
    assert runs.counted.all()
    assert runs.request == {"space": "nats_topology", "maximise": True}


@pytest.mark.parametrize(
    ("overshoot", "expected"),
    [("finish", [[0, 1, 2], [3, 6], [7, 7, 5, 4, 3]]), ("discard", [[0, 1, 2], [3], [7, 7, 5, 4]])],
)
def test_a_budget_of_seconds_with_either_overshoot(costly, overshoot, expected):
    # run 0 spends 10 + 20 + 30 = 60 exactly; run 1 40 + 100; run 2 1 + 1 + 5 + 50 = 57, then 40 more
    script = [[0, 3, 7], [1, 6, 7], [2, 0, 5], [3, 0, 4], [3, 0, 3], [0, 0, 0]]
    runs = play(Scripted(costly, script), costly, Budget(seconds=60.0, overshoot=overshoot))
    assert [recorded_rows(costly, runs, run) for run in range(3)] == expected
    spent = [sum(COSTS[row] for row in rows) for rows in expected]
    assert runs.clock()[:, -1].tolist() == spent
    for run, rows in enumerate(expected):
        assert np.isnan(runs.valid[run, len(rows) :]).all()
        assert not runs.genes[run, len(rows) :].any()
        assert not runs.counted[run, len(rows) :].any()


def test_long_runs_outgrow_the_first_arrays(costly):
    script = [[7, 7, 5] for _ in range(600)]
    runs = play(Scripted(costly, script, bill=2.0), costly, Budget(seconds=600.0))
    assert runs.length.tolist() == [600, 600, 120]
    assert set(recorded_rows(costly, runs, 1)) == {7}
    assert runs.search_seconds[0].tolist() == [2.0] * 600
    assert np.isnan(runs.search_seconds[2, 120:]).all()
    assert runs.clock()[:, -1].tolist() == [600.0, 600.0, 600.0]


def test_the_strategys_own_seconds_do_not_count_against_the_budget(costly):
    runs = play(Scripted(costly, [[7]], bill=1e6), costly, Budget(seconds=10.0))
    assert runs.length.tolist() == [10]


def test_epochs_are_asked_for_and_recorded(costly):
    runs = play(Scripted(costly, [[0, 1]], epochs=12), costly, Budget(evaluations=2))
    assert runs.epochs.tolist() == [[12, 12], [12, 12]]
    assert np.array_equal(runs.valid[:, 0], costly.query(costly.table.genes[:2], epochs=12).valid)


def test_duplicates_count_by_default(costly):
    runs = play(Scripted(costly, [[0], [0], [0]]), costly, Budget(evaluations=3))
    assert runs.evaluations().tolist() == [[1, 2, 3]]
    assert runs.clock().tolist() == [[10, 20, 30]]


def test_free_duplicates_cost_nothing(costly):
    script = [[0, 1], [0, 2], [1, 1], [0, 3], [2, 0]]
    runs = play(Scripted(costly, script), costly, Budget(evaluations=3), duplicates="free")
    assert runs.length.tolist() == [5, 4]
    assert runs.counted.tolist() == [[True, False, True, False, True], [True, True, False, True, False]]
    assert runs.seconds[0].tolist() == [10, 0, 20, 0, 30]
    assert runs.seconds[1, :4].tolist() == [20, 30, 0, 40]
    assert runs.evaluations()[:, -1].tolist() == [3, 3]


def test_free_duplicates_bring_the_first_result_again(costly):
    strategy = Scripted(costly, [[0], [1], [0], [1], [2], [0], [3]])
    noise = np.random.default_rng(0)
    runs = play(strategy, costly, Budget(evaluations=4), duplicates="free", repeat=noise)
    valid = runs.valid[0]
    assert valid[0] == valid[2] == valid[5]
    assert valid[1] == valid[3]
    assert [evaluations.valid[0] for evaluations in strategy.told] == valid.tolist()


def test_another_fidelity_is_no_duplicate(costly):
    strategy = Scripted(costly, [[0]], epochs=12)
    strategy.tell = lambda proposals, evaluations: setattr(strategy, "asked_epochs", None)
    runs = play(strategy, costly, Budget(evaluations=2), duplicates="free")
    assert runs.length.tolist() == [2]
    assert runs.counted.all()


def test_a_converged_strategy_ends_after_twenty_proposals_per_evaluation(costly):
    runs = play(Scripted(costly, [[0]]), costly, Budget(evaluations=3), duplicates="free")
    assert runs.length.tolist() == [60]
    assert runs.evaluations()[0, -1] == 1


def test_a_long_run_may_meet_a_free_duplicate(make_table):
    task = TabularBenchmark(make_table())
    task.table.columns["train_seconds"][:] = 1.0
    distinct = np.unique(task.space.key(task.table.genes), return_index=True)[1][:1100]
    script = [[row] for row in np.insert(distinct, 1050, distinct[0]).tolist()]
    runs = play(Scripted(task, script), task, Budget(seconds=1100.0), duplicates="free")
    assert runs.length.tolist() == [1101]
    assert runs.counted.sum() == 1100


def test_isomorphic_cells_are_no_duplicates_in_a_table_of_strings(made_up):
    space = get_space("nats_topology")
    every = made_up.table.genes
    first, second = np.flatnonzero(space.key(every) == space.key(every)[3000])[:2].tolist()
    runs = play(Scripted(made_up, [[first], [second]]), made_up, Budget(evaluations=2), duplicates="free")
    expected = made_up.query(every[[first, second]]).valid
    assert runs.valid[0, :2].tolist() == expected.tolist()


def test_a_missing_cost_does_not_stop_the_clock(costly):
    costly.table.columns["train_seconds"][3] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MissingResultWarning)
        runs = play(Scripted(costly, [[0], [3], [1], [2]]), costly, Budget(seconds=60.0))
    assert runs.length.tolist() == [4]
    assert runs.clock().tolist() == [[10, 10, 30, 60]]


def test_a_benchmark_whose_evaluations_cost_nothing_ends_with_an_error(costly):
    costly.table.columns["train_seconds"][:] = 0
    with pytest.raises(NasbenchSuiteError, match="cost no simulated time"):
        play(Scripted(costly, [[0, 1]]), costly, Budget(seconds=1.0))


def test_seconds_without_known_costs_are_an_error(make_table):
    task = TabularBenchmark(make_table(rows=8, cost=False))
    with pytest.raises(NasbenchSuiteError, match="made/up records no training time"):
        play(Scripted(task, [[0]]), task, Budget(seconds=1.0))
    runs = play(Scripted(task, [[0]]), task, Budget(evaluations=2))
    assert runs.seconds is None


def test_an_invalid_proposal_names_the_strategy_and_the_gene(costly):
    strategy = Scripted(costly, [[0, 1]])
    wrong = costly.table.genes[[0, 1]].copy()
    wrong[1, 4] = 5
    strategy.ask = lambda: Proposals(wrong)
    with pytest.raises(
        ArchitectureError, match=r"strategy Scripted proposed .*gene 4 .* takes values 0 to 4"
    ):
        play(strategy, costly, Budget(evaluations=2))


def test_a_wrong_number_of_proposals_names_the_strategy(costly):
    strategy = Scripted(costly, [[0, 1]])
    strategy.ask = lambda: Proposals(costly.table.genes[:3])
    with pytest.raises(ArchitectureError, match="strategy Scripted proposed 3 architectures for 2 runs"):
        play(strategy, costly, Budget(evaluations=2))


def test_the_reward_gets_the_metrics_it_names(costly):
    strategy = Scripted(costly, [[0, 1]], reward="valid - 2 * params_millions")
    play(strategy, costly, Budget(evaluations=1))
    found = costly.query(costly.table.genes[:2], info=["params_millions"])
    assert np.array_equal(strategy.rewards(strategy.told[0]), found.valid - 2 * found.info["params_millions"])


def test_a_missing_result_is_recorded_as_missing(costly):
    costly.table.columns["valid_accuracy"][1] = np.nan
    with pytest.warns(MissingResultWarning):
        runs = play(Scripted(costly, [[0], [1], [2]]), costly, Budget(evaluations=3))
    assert np.isnan(runs.valid).tolist() == [[False, True, False]]
    assert runs.length.tolist() == [3]


@pytest.mark.parametrize("amount", [0, -1, float("inf"), float("nan"), "10"])
def test_a_budget_is_positive_and_finite(amount):
    with pytest.raises(NasbenchSuiteError, match=r"seconds must be a positive number, not .*\."):
        Budget(seconds=amount)
    with pytest.raises(NasbenchSuiteError, match="must be a whole number of at least 1, not"):
        Budget(evaluations=amount)


@pytest.mark.parametrize("amount", [2.5, True])
def test_evaluations_are_counted_in_whole_numbers(amount):
    with pytest.raises(NasbenchSuiteError, match=f"evaluations must be a whole number .* not {amount}"):
        Budget(evaluations=amount)


def test_a_strategy_that_does_not_return_proposals_is_named(costly):
    strategy = Scripted(costly, [[0]])
    strategy.ask = lambda: costly.table.genes[:1]
    with pytest.raises(NasbenchSuiteError, match=r"ask of strategy Scripted returned a ndarray; it has to"):
        play(strategy, costly, Budget(evaluations=3))


@pytest.mark.parametrize("given", [{}, {"evaluations": 1, "seconds": 1.0}])
def test_a_budget_has_exactly_one_amount(given):
    with pytest.raises(NasbenchSuiteError, match="exactly one"):
        Budget(**given)


class Deaf(Scripted):
    """Does not learn from results, ends run 1 after two steps, and has found something besides."""

    uses_results = False

    def endings(self):
        return ["", "enough" if len(self.told) >= 2 else ""]

    def findings(self):
        return {"square": np.arange(2)[:, None] ** 2 * np.ones((1, 3))}


def test_what_does_not_learn_from_results_pays_nothing_and_ends_with_its_last_proposal(costly):
    script = [[0, 1], [6, 2], [2, 3], [5, 4]]
    runs = play(Deaf(costly, script, bill=3.0), costly, Budget(evaluations=4))
    assert runs.length.tolist() == [4, 2]
    assert runs.endings.tolist() == [b"", b"enough"]
    assert runs.seconds[0].tolist() == [0.0] * 4
    assert runs.total_clock().tolist() == [[3, 6, 9, 12], [3, 6, 6, 6]]
    assert runs.incumbents().tolist() == [[0, 1, 2, 3], [0, 1, 1, 1]]
    assert runs.findings["square"].tolist() == [[0, 0, 0], [1, 1, 1]]


class Training(TabularBenchmark):
    """Counts what it is asked for, as if every answer were a training."""

    trains = True

    def query(self, genes, **asked):
        self.asked = [*getattr(self, "asked", []), *self.rows(genes).tolist()]
        return super().query(genes, **asked)


def test_what_does_not_learn_from_results_has_only_its_end_trained(costly):
    script = [[0, 1], [6, 2], [2, 3], [5, 4]]
    task = Training(costly.table)
    runs = play(Deaf(task, script, bill=3.0), task, Budget(evaluations=4))
    assert task.asked == [5, 2]
    expected = costly.query(costly.table.genes[[5, 2]]).valid
    assert [runs.valid[0, 3], runs.valid[1, 1]] == expected.tolist()
    assert np.isfinite(runs.valid).sum() == 2
    assert runs.incumbents()[:, -1].tolist() == [3, 1]
    assert runs.seconds[0].tolist() == [0.0] * 4
    played = play(Scripted(task, script), task, Budget(evaluations=4))  # others see everything
    assert np.isfinite(played.valid).all()


def test_simulated_and_billed_seconds_add_up_only_in_the_total(costly):
    runs = play(Scripted(costly, [[0], [1]], bill=0.5), costly, Budget(evaluations=2))
    assert runs.clock().tolist() == [[10, 30]]
    assert runs.total_clock().tolist() == [[10.5, 31]]
    assert runs.endings is None


def test_what_misses_a_requirement_is_told_as_missing_and_costs_nothing(costly):
    """Rows of at most 30 seconds are tried; the others are told as NaN and are no evaluations."""
    script = [[0, 3], [4, 1], [2, 6], [5, 5], [1, 1], [0, 0]]
    strategy = Scripted(costly, script)
    runs = play(strategy, costly, Budget(evaluations=3), require=["params_millions <= 1.0"])
    params = costly.query(costly.table.genes, info=["params_millions"]).info["params_millions"]
    tried = params <= 1.0
    assert 0 < tried.sum() < 8
    for run in (0, 1):
        rows = recorded_rows(costly, runs, run)
        assert rows == [step[run] if step[run] in range(8) else None for step in script][: len(rows)]
        kept = tried[rows]
        assert runs.counted[run, : len(rows)].tolist() == kept.tolist()
        assert runs.feasible[run, : len(rows)].tolist() == kept.tolist()
        assert np.isnan(runs.valid[run, : len(rows)]).tolist() == (~kept).tolist()
        assert runs.seconds[run, : len(rows)].tolist() == np.where(kept, np.array(COSTS)[rows], 0).tolist()
        assert kept.sum() == 3 or len(rows) == 60
    assert np.isnan(strategy.told[0].valid).tolist() == (~tried[script[0]]).tolist()


def test_a_search_in_which_everything_is_rejected_ends(costly):
    strategy = Scripted(costly, [[3, 3]])
    bound = costly.query(costly.table.genes, info=["params_millions"]).info["params_millions"][3] / 2
    runs = play(strategy, costly, Budget(evaluations=2), require=[f"params_millions <= {bound}"])
    assert runs.length.tolist() == [40, 40]
    assert not runs.counted.any()
    assert (runs.incumbents() == -1).all()
    seconds = play(
        Scripted(costly, [[3, 3]]), costly, Budget(seconds=10.0), require=[f"params_millions <= {bound}"]
    )
    assert seconds.length.tolist() == [1000, 1000]


def test_incumbents_keep_to_constraints(costly):
    params = costly.query(costly.table.genes, info=["params_millions"]).info["params_millions"]
    bound = float(np.median(params))
    script = [[row, row] for row in range(8)]
    strategy = Scripted(costly, script, constraints=[f"params_millions <= {bound}"])
    runs = play(strategy, costly, Budget(evaluations=8))
    valid = costly.query(costly.table.genes).valid
    expected, best = [], -1
    for row in range(8):
        if params[row] <= bound and (best < 0 or valid[row] > valid[best]):
            best = row
        expected.append(best)
    assert runs.incumbents()[0].tolist() == expected
    assert runs.counted.all()
    assert not np.isnan(runs.valid).any()


def test_missing_results_are_said_once(make_table):
    task = TabularBenchmark(make_table(missing=0.7))
    script = [[row, row + 1] for row in range(40)]
    with pytest.warns(MissingResultWarning, match=r"of 80 proposals to made/up met a missing result") as said:
        play(Scripted(task, script), task, Budget(evaluations=40))
    assert len(said) == 1


def test_undefined_rewards_are_said_once_beside_missing_results(make_table):
    task = TabularBenchmark(make_table(missing=0.7))
    strategy = Scripted(task, [[row, row + 1] for row in range(40)], reward="log(valid - 1)")
    with pytest.warns(NasbenchSuiteWarning) as said:
        runs = play(strategy, task, Budget(evaluations=40))
    missing, below = int(np.isnan(runs.valid).sum()), int((runs.valid <= 1).sum())
    assert missing > 0 < below
    first, second = (str(one.message) for one in said)
    assert first.startswith(f"{missing} of 80 proposals to made/up met a missing result")
    assert second.startswith(
        f"{below} of 80 proposals to made/up have a reward, 'log(valid - 1)', that is no"
    )
