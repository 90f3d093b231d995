"""What every surrogate that ships keeps to: its model is its card's, and as good as the card says."""

from pathlib import Path

import numpy as np
import pytest

from nasbench_suite import Benchmark, load_benchmark, search
from nasbench_suite.surrogates.card import surrogate_card
from nasbench_suite.surrogates.fit import judge, samples_of, split
from nasbench_suite.surrogates.shipped import is_of_this_table, recipe_of, table_of, verified_model

CONTENT = Path(__file__).resolve().parents[2] / "surrogates"
FOLDERS = sorted(path.parent for path in CONTENT.glob("*/card.toml"))
each_surrogate = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def test_there_is_one_for_a_table_of_ours_and_one_for_the_graphs():
    tasks = {surrogate_card(folder).fit.task for folder in FOLDERS}
    assert "nats_topology/mnist1d" in tasks
    assert any(task.startswith("graph/") for task in tasks)


@each_surrogate
def test_the_model_is_the_cards_and_of_the_table_that_is_here(folder):
    card = surrogate_card(folder)
    verified_model(folder)
    assert is_of_this_table(card)
    assert f"| `{card.name}` | `{card.fit.task}` |" in (CONTENT / "README.md").read_text()


@each_surrogate
def test_figures_of_the_card_are_those_on_rows_that_it_has_not_seen(folder):
    card, model = surrogate_card(folder), verified_model(folder)
    samples = samples_of(table_of(card.fit.task))
    learns, held, judges = split(table_of(card.fit.task).space.key(samples.genes), recipe_of(card.fit))
    assert (len(learns), len(held), len(judges)) == (card.fitted.train, card.fitted.noise, card.fitted.test)
    for metric, found in judge(model, samples, judges).items():
        for name, value in found.rounded().items():
            assert card.fitted.figures[metric][name] == pytest.approx(value, rel=0.01, abs=1e-3), name


@each_surrogate
def test_it_answers_as_a_benchmark_and_can_be_searched(folder):
    task = load_benchmark(f"surrogate:{folder.name}")
    assert isinstance(task, Benchmark)
    runs = search("regularized_evolution", task, evaluations=100, runs=5, seed=0)
    truth = table_of(surrogate_card(folder).fit.task)
    first, last = (
        truth.query(genes.reshape(-1, truth.space.n_genes))
        for genes in (runs.genes[:, :10], runs.genes[:, -20:])
    )
    gain = last.valid.mean() - first.valid.mean()
    assert gain > 0 if last.maximise else gain < 0
    noisy = search("random_search", task, evaluations=20, runs=5, seed=0, repeat="random")
    assert (noisy.valid != task.query(noisy.genes.reshape(-1, task.space.n_genes)).valid.reshape(5, 20)).all()
    assert np.isfinite(noisy.valid).all()
