"""Searches written one at a time and played side by side."""

import numpy as np
import pytest

from nasbench_suite import Budget, NasbenchSuiteError, SingleRunStrategy
from nasbench_suite.benchmark import MissingResultWarning
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.loop import play
from nasbench_suite.strategies import SideBySide
from nasbench_suite.tabular import TabularBenchmark


class Climber(SingleRunStrategy):
    """The example of the documentation, with a setting and a log of its own."""

    step_count: int = 1
    temperature: float = 0.0

    def setup(self):
        self.best, self.log = None, []

    def propose(self):
        if self.best is None:
            return self.space.sample(self.rng, 1)[0]
        return self.space.mutate(self.rng, self.best[1][None])[0]

    def observe(self, genes, score):
        self.log.append((genes.tolist(), score))
        if self.best is None or score > self.best[0]:
            self.best = (score, genes)


def test_every_search_sees_its_own_proposals_and_scores(made_up):
    strategy = SideBySide(Climber, made_up.space, runs=5, seed=1)
    runs = play(strategy, made_up, Budget(evaluations=30))
    for run, one in enumerate(strategy.searches):
        assert one.log == list(zip(runs.genes[run].tolist(), runs.valid[run].tolist(), strict=True))
    assert len({run.tobytes() for run in runs.genes}) == 5


def test_a_search_plays_as_it_does_alone(made_up):
    runs = play(SideBySide(Climber, made_up.space, runs=3, seed=2), made_up, Budget(evaluations=20))
    for run, rng in enumerate(np.random.default_rng(2).spawn(3)):
        alone = Climber(made_up.space, rng, {})
        for step in range(20):
            genes = alone.propose()
            assert np.array_equal(genes, runs.genes[run, step])
            alone.observe(genes, made_up.query(genes[None]).valid.item())


def test_missing_results_are_minus_infinity_and_minimised_metrics_are_turned(make_table):
    table = make_table(direction="min")
    table.columns["valid_accuracy"][::2] = np.nan
    task = TabularBenchmark(table)
    strategy = SideBySide(Climber, task.space, seed=3)
    with pytest.warns(MissingResultWarning):
        runs = play(strategy, task, Budget(evaluations=25))
    missing = np.isnan(runs.valid[0])
    assert 0 < missing.sum() < 25
    expected = np.where(missing, -np.inf, -runs.valid[0])
    assert [score for _, score in strategy.searches[0].log] == expected.tolist()


def test_settings_are_the_classs_own_replaced_by_those_given(made_up):
    strategy = SideBySide(Climber, made_up.space, step_count=4, temperature=2)
    assert strategy.hyperparameters == {"step_count": 4, "temperature": 2}
    assert strategy.searches[0].step_count == 4
    assert Climber.step_count == 1


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"step_cont": 1}, UnknownNameError, "did you mean step_count"),
        ({"step_count": 1.5}, NasbenchSuiteError, "step_count of Climber is of type int"),
        ({"temperature": "hot"}, NasbenchSuiteError, "temperature of Climber is of type float"),
    ],
)
def test_wrong_settings_are_refused(made_up, settings, error, says):
    with pytest.raises(error, match=says):
        SideBySide(Climber, made_up.space, **settings)


def test_a_state_taken_half_way_leads_to_the_same_end(made_up):
    strategy = SideBySide(Climber, made_up.space, runs=3, seed=4)
    play(strategy, made_up, Budget(evaluations=10))
    state = strategy.state()
    end = play(strategy, made_up, Budget(evaluations=10)).genes
    other = SideBySide(Climber, made_up.space, runs=3, seed=99)
    other.restore(state)
    assert np.array_equal(play(other, made_up, Budget(evaluations=10)).genes, end)
    assert len(state["searches"][0]["log"]) == 10


class Trainer(Climber):
    """Says that it trains networks; bills what its number of proposals says, and ends after three."""

    trains = True
    uses_results = False

    def propose(self):
        self.log.append(self.training)
        self.billed_seconds = float(len(self.log))
        if len(self.log) == 3:
            self.ending = "three are enough"
        return super().propose()

    def findings(self):
        return {"proposals": np.array(len(self.log))}

    def observe(self, genes, score):
        pass


def test_a_search_that_trains_is_told_how_and_refused_where_nothing_says_it(made_up):
    with pytest.raises(NasbenchSuiteError, match="Trainer trains networks, and nothing says how"):
        SideBySide(Trainer, made_up.space)
    strategy = SideBySide(Trainer, made_up.space, runs=2, training="how")
    runs = play(strategy, made_up, Budget(evaluations=9))
    assert strategy.searches[1].log == ["how"] * 3
    assert runs.length.tolist() == [3, 3]
    assert runs.search_seconds.tolist() == [[1, 2, 3]] * 2
    assert runs.endings.tolist() == [b"three are enough"] * 2
    assert runs.findings["proposals"].tolist() == [3, 3]
    assert "training" not in strategy.state()["searches"][0]
