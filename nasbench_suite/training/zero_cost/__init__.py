"""Zero-cost proxies: what one batch, or none, says of a network that was not trained."""

from nasbench_suite.training.zero_cost.catalogue import PROXIES, proxy_names, zero_cost

__all__ = ["PROXIES", "proxy_names", "zero_cost"]
