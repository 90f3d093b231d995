"""Latencies of picks: sums of operators beside what the networks take, by a clock that is told the times."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.hardware.network_latency import Conditions, measure_networks
from nasbench_suite.hardware.stopwatch import Stopwatch
from nasbench_suite.leaderboards import pick_latencies as module
from nasbench_suite.leaderboards.pick_latencies import PickLatencies, pick_latencies
from nasbench_suite.training.networks import Skeleton

SPACE = get_space("nats_topology")
SKELETON = Skeleton(inputs=1, classes=10, dims=1, width=8, depth=1, style="light")


class CountedConvolutions:
    """A stopwatch whose seconds are convolution weights that a pass has used, plus one."""

    most_spread = float("inf")

    def measure(self, things, progress=lambda done, total: None):
        found = []
        for thing in things:
            used = []
            real = torch.nn.functional.conv1d

            def counted(inputs, weight, *rest, used=used, real=real, **named):
                used.append(weight.numel())
                return real(inputs, weight, *rest, **named)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    torch.nn.Conv1d, "forward", lambda m, x: counted(x, m.weight, None, m.stride, m.padding)
                )
                thing()
            found.append(1e-3 * sum(used))
        timing = Stopwatch(warm_up=0, seconds=0, least=1, rounds=1).measure([lambda: None])[0]
        return [replace(timing, median=value + 1e-9, spread=0.0, drift=0.0) for value in found]

    def check(self, timings):
        pass


def test_the_sum_of_operators_is_the_whole_network_where_time_adds_up(monkeypatch):
    monkeypatch.setattr(module, "_WATCH", CountedConvolutions())
    genes = np.stack([SPACE.parse(text) for text in ("1462", "11", "284", "6111", "9930")])
    found = pick_latencies("nats_topology", genes, SKELETON, (1, 40))
    np.testing.assert_allclose(found.predicted, found.measured, rtol=1e-3)
    assert len(set(found.measured.tolist())) > 3
    assert found.spearman == pytest.approx(1)
    assert found.ratio == pytest.approx(1, rel=1e-3)
    assert "PyTorch" in found.machine


def test_more_work_takes_longer_by_the_real_clock():
    space = SPACE
    every = [np.full((1, 6), value, dtype=np.uint8) for value in range(5)]
    texts = space.format(np.concatenate(every))
    heavy = next(i for i, text in enumerate(texts) if "nor_conv_3x3" in text)
    none = next(i for i, text in enumerate(texts) if "none" in text)
    genes = np.concatenate([every[none], every[heavy]])
    found = pick_latencies("nats_topology", genes, replace(SKELETON, width=32, depth=3), (1, 40))
    assert found.predicted[1] > 1.5 * found.predicted[0] > 0
    assert found.measured[1] > 1.5 * found.measured[0] > 0
    again = measure_networks(
        "nats_topology", genes, Conditions(replace(SKELETON, width=32, depth=3), (1, 40)), Stopwatch()
    )
    assert 0.3 < found.measured[1] / (1e3 * again[1].median) < 3


def test_correlation_and_ratio_are_of_the_two():
    found = PickLatencies("a box", np.array([1.0, 2.0, 8.0]), np.array([2.0, 4.0, 1.0]), 0.1)
    assert found.spearman == pytest.approx(-0.5)
    assert found.ratio == pytest.approx((0.5 * 0.5 * 8) ** (1 / 3))


def test_spaces_whose_operators_are_no_sum_are_refused():
    space = get_space("nats_size")
    with pytest.raises(NasbenchSuiteError, match="depends on the others"):
        pick_latencies("nats_size", space.sample(np.random.default_rng(0), 2), SKELETON, (1, 40))
