"""The roofline: closed forms, planted devices, and PyTorch's own counter."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.hardware.roofline import DeviceSheet, Roofline
from nasbench_suite.training.networks import Skeleton, build_network
from nasbench_suite.training.tensor_work import tensor_work

SPACE = get_space("nats_topology")
SMALL = {"skeleton": Skeleton(width=4, depth=1), "shape": (3, 16, 16)}
SHEET = DeviceSheet(2e9, 1e9, 2e-5)


def test_work_of_a_linear_layer_and_an_activation():
    network = nn.Sequential(nn.Linear(8, 16, device="meta"), nn.ReLU(), nn.Flatten())
    (linear, relu) = tensor_work(network, (8,), batch=4)
    assert linear.tolist() == [2 * 4 * 8 * 16, 4 * (4 * 8 + 8 * 16 + 16 + 4 * 16)]
    assert relu.tolist() == [0, 4 * 2 * 4 * 16]


def test_arithmetic_is_that_of_torch_s_counter():
    cell = SPACE.parse("1462")
    with torch.device("meta"):
        network = build_network("nats_topology", cell, Skeleton())
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(torch.empty((2, 3, 32, 32), device="meta"))
    work = tensor_work(network, (3, 32, 32), batch=2)
    assert work[:, 0].sum() == counter.get_total_flops()
    assert len(work) > 200


def test_a_launch_takes_what_binds_it_and_its_overhead():
    work = np.array([[100.0, 10.0], [10.0, 100.0]])
    assert DeviceSheet(50.0, 20.0, 0.5).seconds(work) == pytest.approx(100 / 50 + 100 / 20 + 2 * 0.5)


def test_sums_over_genes_are_the_work_of_whole_networks():
    genes = SPACE.sample(np.random.default_rng(0), 5)
    model = Roofline("nats_topology", SHEET, **SMALL)
    for row, predicted in zip(genes, model.predict(genes), strict=True):
        with torch.device("meta"):
            network = build_network("nats_topology", row, SMALL["skeleton"])
        assert predicted == pytest.approx(1e3 * SHEET.seconds(tensor_work(network, SMALL["shape"])))


def test_a_planted_device_is_found():
    genes = SPACE.sample(np.random.default_rng(1), 12)
    truth = Roofline("nats_topology", SHEET, **SMALL)
    model = Roofline("nats_topology", device="mine", **SMALL).fit(genes, truth.predict(genes))
    others = SPACE.sample(np.random.default_rng(2), 200)
    assert model.predict(others) == pytest.approx(truth.predict(others), rel=0.02)
    assert model.name == "latency_ms@mine"


def test_without_a_device_nothing_is_predicted():
    genes = SPACE.sample(np.random.default_rng(1), 2)
    with pytest.raises(NasbenchSuiteError, match="no device"):
        Roofline("nats_topology", **SMALL).predict(genes)
    with pytest.raises(NasbenchSuiteError, match="at least three"):
        Roofline("nats_topology", **SMALL).fit(genes, np.ones(2))
