"""What architectures cost on devices: measured, summed up, counted, learnt from few measurements.

Every model answers `predict(genes)` in the unit of its quantity. Loading this package loads no torch.
"""

from nasbench_suite.hardware.catalogue import known_costs, open_costs
from nasbench_suite.hardware.cost_model import CostModel

__all__ = ["CostModel", "known_costs", "open_costs"]
