"""Timings, with a clock of our own, and real networks under one."""

import numpy as np
import pytest
from scipy import stats

from nasbench_suite import NasbenchSuiteError, get_space
from nasbench_suite.hardware.network_latency import Conditions, describe_device, measure_networks
from nasbench_suite.hardware.stopwatch import Stopwatch, UnstableTimingError, median_interval
from nasbench_suite.training.networks import Skeleton


class Clock:
    """Time that only passes when something takes it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def taking(self, *durations):
        """Return what takes these seconds, one after the other and again from the first."""
        calls = [0]

        def run():
            self.now += durations[calls[0] % len(durations)]
            calls[0] += 1

        return run


def test_the_median_of_all_rounds_and_its_interval():
    clock = Clock()
    (timing,) = Stopwatch(warm_up=0, seconds=0, least=101, rounds=3, clock=clock).measure(
        [clock.taking(*(np.arange(1, 203) / 1000))]
    )
    taken = np.concatenate([np.arange(2, 103), np.arange(104, 203), [1, 2], np.arange(4, 105)]) / 1000
    interval = stats.quantile_test(taken, p=0.5).confidence_interval(0.95)
    assert timing.repeats == len(taken) == 303
    assert timing.median == pytest.approx(np.median(taken))
    assert (timing.low, timing.high) == pytest.approx((interval.low, interval.high), abs=0.002)
    assert timing.spread == pytest.approx(stats.iqr(taken) / np.median(taken))


def test_warm_up_is_not_timed():
    clock = Clock()
    slow_at_first = [5.0] + [0.1] * 10_000
    (timing,) = Stopwatch(warm_up=1.0, seconds=1.0, rounds=1, clock=clock).measure(
        [clock.taking(*slow_at_first)]
    )
    assert (timing.low, timing.high) == pytest.approx((0.1, 0.1))
    assert timing.repeats == pytest.approx(10, abs=1)


def test_things_are_timed_in_turns_so_that_a_drift_is_seen():
    clock = Clock()
    order = []

    def thing(name, first, later):
        def run():
            order.append(name)
            clock.now += first if len(order) <= 44 else later

        return run

    steady, drifting = thing("a", 1.0, 1.0), thing("b", 1.0, 2.0)
    watch = Stopwatch(warm_up=0, seconds=0, least=10, rounds=3, clock=clock)
    one, other = watch.measure([steady, drifting])
    assert order == (["a"] * 11 + ["b"] * 11) * 3  # one of each round warms up
    assert one.drift == 0
    assert other.drift == pytest.approx(1.0)
    watch.check([one])
    with pytest.raises(
        UnstableTimingError, match=r"1 of 2 timings vary by more than 25 % \(the worst by 100 %\)"
    ):
        watch.check([one, other])


@pytest.mark.parametrize("n", [6, 10, 33, 100, 999])
def test_the_interval_covers_the_median_as_often_as_it_says(n):
    """The chance that the median lies between two order statistics, from the binomial distribution."""
    low, high = median_interval(n)
    below = stats.binom(n, 0.5)
    assert below.cdf(high) - below.cdf(low) >= 0.95
    assert below.cdf(high - 1) - below.cdf(low + 1) < 0.95
    rng = np.random.default_rng(n)
    draws = np.sort(rng.exponential(size=(4000, n)), axis=1)
    covered = (draws[:, low] <= np.log(2)) & (np.log(2) <= draws[:, high])
    assert covered.mean() >= 0.94


def test_with_few_repeats_all_of_them_are_the_interval():
    assert median_interval(3) == (0, 2)
    assert median_interval(1) == (0, 0)


def test_networks_with_more_work_take_longer():
    space = get_space("nats_topology")
    genes = np.stack(
        [space.parse(f"|{op}~0|+|{op}~0|{op}~1|+|{op}~0|{op}~1|{op}~2|") for op in ("none", "nor_conv_3x3")]
    )
    small = Conditions(Skeleton(width=16, depth=2), shape=(3, 32, 32), batch=4)
    watch = Stopwatch(warm_up=0.02, seconds=0.1, least=5, rounds=2)
    nothing, convolutions = measure_networks("nats_topology", genes, small, watch)
    assert convolutions.low > nothing.high
    assert "PyTorch" in describe_device("cpu")


def test_conditions_that_cannot_be_met_are_refused():
    with pytest.raises(NasbenchSuiteError, match="precision"):
        Conditions(Skeleton(), precision="int8")
    with pytest.raises(NasbenchSuiteError, match="no device 'tpu'"):
        Conditions(Skeleton(), device="tpu")
