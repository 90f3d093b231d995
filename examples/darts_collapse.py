"""DARTS drifts to operations without weights where the network has residual blocks of its own.

On the board of weight sharing the skeleton between the cells is light, and first-order DARTS ends with one
skip among six edges. This trains the same search in the official skeleton, two cells a stage: ten minutes.

    python examples/darts_collapse.py [seed]
"""

import sys
from dataclasses import replace

import numpy as np

from nasbench_suite import get_space, get_strategy
from nasbench_suite.spaces.nats_topology import OPERATIONS
from nasbench_suite.strategies import SideBySide
from nasbench_suite.training.setting import setting_of

light = setting_of("nats_topology/mnist1d")
official = replace(light, skeleton=replace(light.skeleton, style="official", depth=2))
seed = int(sys.argv[1]) if len(sys.argv) > 1 else 0
(run,) = SideBySide(get_strategy("darts"), get_space("nats_topology"), seed=seed, training=official).searches

print("epoch", *OPERATIONS)
while not run.ending:
    cell = run.propose()
    if run.epoch % 5 == 0:
        print(run.epoch, *np.bincount(cell, minlength=len(OPERATIONS)))
