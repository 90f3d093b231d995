"""Costs that are sums over genes, against counted networks and an enumeration of a small product."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from supernet_tasks import tiny_setting

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.training import layer_costs as module
from nasbench_suite.training.counting import ManyCounts
from nasbench_suite.training.layer_costs import LayerCosts, layer_costs

COLUMNS = {"flops_millions": "multiply_adds", "params_millions": "parameters"}


def setting(space, dims=1, style="light"):
    """Return a setting for signals or, with two dimensions, for images."""
    made = tiny_setting(space)
    if dims == 1:
        return made
    skeleton = replace(made.skeleton, dims=2, style=style)
    return replace(made, skeleton=skeleton, data=replace(made.data, inputs=torch.zeros((1, 1, 16, 16))))


@pytest.mark.parametrize(
    ("space", "dims", "style", "n"),
    [
        ("nats_topology", 1, "light", 50),
        ("macro", 1, "light", 50),
        ("macro", 2, "official", 10),
    ],
)
def test_costs_are_those_of_networks_counted_one_by_one(space, dims, style, n):
    made = setting(space, dims, style)
    genes = get_space(space).sample(np.random.default_rng(3), n)
    counted = [made.counts(row) for row in genes]
    for kind, column in COLUMNS.items():
        expected = np.array([getattr(counts, column) for counts in counted])
        found = layer_costs(made, kind).of(genes) * 1e6
        assert np.array_equal(np.rint(found), expected)
        assert np.allclose(found, expected, rtol=1e-14)


def test_genes_with_fewer_operations_have_costs_of_their_own(monkeypatch):
    """The space mobile with made-up counts: 121 of its networks take long to build."""
    table = np.random.default_rng(6).integers(1, 10**6, size=(21, 7))

    def made_up(space, genes, skeleton, shape):
        total = 5000 + table[np.arange(21), genes].sum(axis=1)
        return ManyCounts(total, 2 * total, 0 * total)

    monkeypatch.setattr(module, "count_many", made_up)
    module._counts.cache_clear()
    costs = layer_costs(setting("mobile"), "flops_millions")
    module._counts.cache_clear()
    cardinalities = np.array(get_space("mobile").cardinalities)
    assert np.array_equal(np.isnan(costs.entries), np.arange(7) >= cardinalities[:, None])
    assert (np.nanmin(costs.entries, axis=1) == 0).all()
    least = [min(row[:limit]) for row, limit in zip(table.tolist(), cardinalities, strict=True)]
    assert costs.constant == pytest.approx(2 * (5000 + sum(least)) / 1e6, rel=1e-14)
    genes = get_space("mobile").sample(np.random.default_rng(7), 50)
    assert np.array_equal(np.rint(costs.of(genes) * 1e6), made_up("", genes, None, ()).multiply_adds)


CARDINALITIES = (2, 3, 4)


def small():
    entries = np.random.default_rng(4).random((3, 4))
    entries[np.arange(4) >= np.array(CARDINALITIES)[:, None]] = np.nan
    return LayerCosts(entries, 0.7)


def all_rows():
    return np.array(list(product(*map(range, CARDINALITIES))), dtype=np.uint8)


def test_the_expected_cost_is_the_mean_over_all_architectures():
    costs, rng = small(), np.random.default_rng(5)
    probabilities = np.where(np.isnan(costs.entries), 0, rng.random((3, 4)))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    chances = [np.prod([probabilities[gene, value] for gene, value in enumerate(row)]) for row in all_rows()]
    assert sum(chances) == pytest.approx(1)
    mean = sum(chance * costs.of(row[None])[0] for chance, row in zip(chances, all_rows(), strict=True))
    assert float(costs.expected(torch.from_numpy(probabilities))) == pytest.approx(mean, rel=1e-13)
    assert costs.mean() == pytest.approx(costs.of(all_rows()).mean(), rel=1e-13)


def test_the_expected_cost_has_the_gradient_of_finite_differences():
    costs = small()
    probabilities = torch.full((3, 4), 0.25, dtype=torch.double, requires_grad=True)
    (found,) = torch.autograd.grad(costs.expected(probabilities), probabilities)
    for gene, value in product(range(3), range(4)):
        moved = torch.full((2, 3, 4), 0.25, dtype=torch.double)
        moved[0, gene, value] += 1e-3
        moved[1, gene, value] -= 1e-3
        slope = (costs.expected(moved[0]) - costs.expected(moved[1])) / 2e-3
        assert float(found[gene, value]) == pytest.approx(float(slope), abs=1e-10)


def test_an_operation_that_a_gene_does_not_have_costs_nothing_known():
    assert np.isnan(small().of(np.array([[0, 3, 0]], dtype=np.uint8))).all()


def test_what_cannot_be_had_is_refused():
    with pytest.raises(UnknownNameError, match="flops_millions"):
        layer_costs(setting("macro"), "watts")
    with pytest.raises(NasbenchSuiteError, match="no sum over its genes"):
        layer_costs(setting("nats_size"), "params_millions")
