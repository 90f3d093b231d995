"""Search strategies, one file each, named after it; their settings stand in `strategies/NAME.toml`."""

from nasbench_suite.strategies.base import Proposals, Strategy
from nasbench_suite.strategies.catalogue import get_strategy, strategy_names
from nasbench_suite.strategies.reward import Reward
from nasbench_suite.strategies.single_run import SideBySide, SingleRunStrategy

__all__ = [
    "Proposals",
    "Reward",
    "SideBySide",
    "SingleRunStrategy",
    "Strategy",
    "get_strategy",
    "strategy_names",
]
