"""SPOS: schedule, evolution against a plain account of it, and sub-supernets that train what is theirs."""

import copy

import numpy as np
import pytest
import torch
from scipy import stats
from supernet_tasks import tiny_setting

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.strategies.catalogue import constructor, get_strategy
from nasbench_suite.training.choices import sampled_gates

NONE, CONV = 0, 3
QUICK = {"epochs": 2, "batch": 32, "candidates": 2, "population": 6, "parents": 3, "generations": 2}


def searches(space="nats_topology", runs=1, seed=0, **settings):
    found = constructor(get_strategy("spos"))
    setting = tiny_setting(space)
    return found(get_space(space), runs=runs, seed=seed, training=setting, **{**QUICK, **settings})


def one(**settings):
    return searches(**settings).searches[0]


def with_worth(search, monkeypatch, seed=0):
    """Replace accuracies by sums of a number per gene and operation; return these and the rows judged."""
    worth, judged = np.random.default_rng(seed).normal(size=(6, 5)), []
    monkeypatch.setattr(
        search,
        "inherited_accuracy",
        lambda row, batch: judged.append(tuple(row.tolist())) or worth[range(6), row].sum(),
    )
    return worth, judged


# -- schedule --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("split_gene", "epochs"), [(-1, 4), (2, 7)])
def test_the_search_ends_after_its_epochs_and_generations_all_billed(split_gene, epochs):
    search = one(split_gene=split_gene, split_epochs=3, batch=64)
    for step in range(epochs):
        assert not search.ending
        assert search.space.valid(search.propose()[None]).all()
        assert search.billed_seconds > 0
        assert len(search.parts) == (5 if split_gene >= 0 and step >= 2 else 0)
    assert search.ending == f"all {epochs} epochs are done"
    assert len(search.judged) == 12


def test_the_learning_rate_falls_linearly_and_anew_after_the_split(monkeypatch):
    settings = {"learning_rate": 0.4, "last_learning_rate": 0.1, "split_learning_rate": 0.2}
    search = one(epochs=3, split_gene=0, split_epochs=2, batch=64, **settings)
    rates = []
    step = search.weight_step

    def noted(*given):
        rates.append(search.optimizer.param_groups[0]["lr"])
        return step(*given)

    monkeypatch.setattr(search, "weight_step", noted)
    for _ in range(5):
        search.propose()
    assert rates == pytest.approx([0.4, 0.3, 0.2, *[0.2] * 5, *[0.15] * 5])


def test_labels_are_smoothed():
    search = one(label_smoothing=0.3)
    logits = torch.tensor([[1.0, -2.0], [0.5, 0.0]])
    logs = logits.numpy() - np.log(np.exp(logits.numpy()).sum(1, keepdims=True))
    expected = -(0.85 * (logs[0, 0] + logs[1, 1]) + 0.15 * (logs[0, 1] + logs[1, 0])) / 2
    assert float(search.weight_loss(logits, torch.tensor([0, 1]))) == pytest.approx(expected)


# -- evolution -------------------------------------------------------------------------------------


def test_each_architecture_is_judged_once_and_the_best_so_far_is_proposed(monkeypatch):
    search = one(epochs=1, population=10, parents=4, generations=6, judged_batch=64)
    search.propose()
    worth, judged = with_worth(search, monkeypatch)
    for generation in range(1, 7):
        chosen = search.propose()
        assert len(judged) == len(set(judged)) == 10 * generation
        assert tuple(chosen.tolist()) == max(judged, key=lambda row: worth[range(6), row].sum())


def test_half_of_a_generation_crosses_the_best_and_half_are_mutants_of_them(monkeypatch):
    search = one(population=40, parents=4, mutation=0.2)
    worth, judged = with_worth(search, monkeypatch)
    search.generation()
    best = np.array(sorted(judged, key=lambda row: -worth[range(6), row].sum())[:4])
    children = np.array(search.waiting)
    assert len(children) == len(np.unique(children, axis=0)) == 40
    assert not {tuple(child) for child in children.tolist()} & set(judged)
    for child in children[:20]:
        assert any(np.all((child == a) | (child == b)) for a in best for b in best)
    steps = (children[20:, None] != best).sum(2).min(1)
    assert steps.min() > 0
    assert steps.mean() < 2.2  # 3.6 for rows drawn at random


def test_children_of_two_parents_have_genes_of_both():
    search = one()
    parents = np.array([[0] * 6, [1] * 6, [2] * 6], dtype=np.uint8)
    children = np.array([search.crossed(parents) for _ in range(3000)])
    pairs = [frozenset(child.tolist()) for child in children]
    assert all(len(pair) <= 2 for pair in pairs)
    same = sum(len(pair) == 1 for pair in pairs)  # the same parent twice, or all genes of one
    assert stats.binomtest(same, 3000, 1 / 3 + 2 / 3 / 32).pvalue > 1e-3
    assert stats.chisquare(np.bincount(children.ravel())).pvalue > 1e-6


def test_every_gene_of_a_mutant_is_drawn_anew_with_the_probability():
    search = one(mutation=0.25)
    parents = np.full((1, 6), 2, dtype=np.uint8)
    mutants = np.array([search.mutated(parents) for _ in range(2000)])
    for gene in range(6):
        found = np.bincount(mutants[:, gene], minlength=5)
        expected = np.full(5, 0.25 / 5)
        expected[2] += 0.75
        assert stats.chisquare(found, expected * 2000).pvalue > 1e-3
    changed = (mutants != 2).sum(1)
    expected = stats.binom(6, 0.2).pmf(range(7)) * 2000
    found = np.bincount(changed, minlength=7)
    assert stats.chisquare([*found[:4], found[4:].sum()], [*expected[:4], expected[4:].sum()]).pvalue > 1e-3
    assert (parents == 2).all()


def test_known_architectures_are_drawn_again_and_no_longer_than_allowed():
    search = one(tries=3)
    rows = [np.full(6, n, dtype=np.uint8) for n in (0, 0, 1, 2, 1, 3)]
    search.judged = {(2,) * 6: 0.5}
    drawn = iter([row.copy() for row in rows])
    found = search.with_new([rows[0]], 2, lambda: next(drawn))
    assert [row[0] for row in found] == [0, 1, 3]
    calls = []
    assert search.with_new([], 2, lambda: calls.append(0) or rows[3]) == []
    assert len(calls) == 2 * 3


@pytest.mark.parametrize(("inputs", "sizes"), [(0, [22, 21, 21]), (40, [20, 20])])
def test_a_judgement_is_the_share_of_the_validation_inputs_that_are_right(inputs, sizes):
    search = one()
    batches = search.judging_batches(inputs, 25)
    assert [len(labels) for _, labels in batches] == sizes
    used = search.data.valid[: inputs or 64]
    assert torch.equal(torch.cat([x for x, _ in batches]), search.data.batch(used)[0])
    row, right = search.path(), 0
    for x, labels in batches:
        with torch.no_grad():
            logits = search.supernet(x, sampled_gates(row)).numpy()
        right += sum(int(of[label] == max(of)) for of, label in zip(logits, labels, strict=True))
    assert search.inherited_accuracies([row], batches)[0] == pytest.approx(right / len(used))


def test_evolution_finds_better_architectures_than_as_many_random_ones(monkeypatch):
    ends = []
    for seed in range(8):
        search = one(seed=seed, population=20, parents=5)
        worth, judged = with_worth(search, monkeypatch, seed)
        for _ in range(6):
            search.generation()
        every = worth[range(6), search.space.sample(np.random.default_rng(seed), len(judged))].sum(1)
        ends.append((max(search.judged.values()), every.max()))
    evolved, random = np.array(ends).T
    assert (evolved > random).sum() >= 7


# -- few-shot --------------------------------------------------------------------------------------


def weights_of(supernet):
    return {name: weight.detach().clone() for name, weight in supernet.named_parameters()}


def place_of(name):
    """Return the gene and the operation that a weight belongs to, None for those outside of choices."""
    parts = name.split(".")
    return (int(parts[5]), int(parts[7])) if "operations" in parts else None


def test_sub_supernets_begin_with_the_weights_of_their_parent_and_train_their_own_operation_alone():
    search = one(split_gene=3, split_epochs=1, batch=8)
    search.train_epoch()
    parent = weights_of(search.supernet)
    search.split()
    assert len(search.parts) == 5
    for part in search.parts:
        assert all(torch.equal(weight, parent[name]) for name, weight in weights_of(part.supernet).items())
    search.epoch = search.epochs
    search.train_parts()
    for operation, part in enumerate(search.parts):
        after = weights_of(part.supernet)
        moved = {name for name in after if not torch.equal(after[name], parent[name])}
        places = {place_of(name) for name in moved}
        assert {other for gene, other in filter(None, places) if gene == 3} == {operation} & {2, 3}
        assert len({gene for gene, _ in filter(None, places)} - {3}) >= 3  # the rest trains as before
    heads = [part.supernet.network.classifier.weight for part in search.parts]
    assert len({weight.detach().numpy().tobytes() for weight in heads}) == 5  # no weight is shared


def test_after_the_split_an_architecture_is_judged_in_the_sub_supernet_of_its_operation():
    search = one(split_gene=1, split_epochs=1)
    search.split()
    for operation, part in enumerate(search.parts):
        head = part.supernet.network.classifier
        head.weight.data.zero_()
        head.bias.data.copy_(torch.tensor([0.0, 1.0 if operation % 2 else -1.0]))  # always one class
    inputs, labels = search.data.batch(search.data.valid)
    batch = inputs, torch.zeros_like(labels)
    for operation in range(5):
        row = search.path()
        row[1] = operation
        assert search.inherited_accuracy(row, batch) == 1 - operation % 2


def test_a_gene_that_is_not_there_is_refused():
    with pytest.raises(NasbenchSuiteError, match=r"split_gene is 6, .* genes 0 to 5; -1 splits none"):
        one(split_gene=6)


# -- whole searches --------------------------------------------------------------------------------


@pytest.mark.parametrize("split_gene", [-1, 3])
def test_a_convolution_beats_nothing_where_labels_need_neighbours(split_gene):
    """Nothing or a convolution of three taps joins the first and the last node; all else is cut."""
    split = {"split_gene": split_gene, "split_epochs": 2}
    search = one(seed=1, epochs=6, generations=1, learning_rate=0.1, batch=16, **split)
    both = np.array([[0, 0, 0, place, 0, 0] for place in (NONE, CONV)], dtype=np.uint8)
    space = copy.copy(search.space)
    space.sample = lambda rng, n: rng.choice(both, n)
    search.space, search.waiting = space, list(both)
    while not search.ending:
        search.propose()
    assert search.derive().tolist() == [NONE, NONE, NONE, CONV, NONE, NONE]
    found = {row[3]: accuracy for row, accuracy in search.judged.items()}
    assert found[CONV] > 0.9
    assert found[NONE] < 0.7


@pytest.mark.parametrize(("space", "split_gene"), [("macro", 1), ("mobile", -1)])
def test_spaces_of_layers_are_searched(space, split_gene):
    split = {"split_gene": split_gene, "split_epochs": 1}
    search = one(space=space, epochs=1, batch=64, candidates=1, generations=1, population=4, **split)
    while not search.ending:
        assert search.space.valid(search.propose()[None]).all()
    assert len(search.judged) == 4


@pytest.mark.parametrize("half", [2, 4])
def test_a_state_taken_half_way_leads_to_the_same_end(half):
    settings = {"split_gene": 0, "split_epochs": 2, "batch": 64}
    strategy = searches(**settings)
    for _ in range(half):
        strategy.ask()
    state = strategy.state()
    end = [strategy.ask().genes for _ in range(6 - half)]
    other = searches(seed=9, **settings)
    other.restore(state)
    assert np.array_equal([other.ask().genes for _ in range(6 - half)], end)
    assert other.searches[0].judged == strategy.searches[0].judged
