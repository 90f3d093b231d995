"""Cells of the topology space with settings of SGD: a joint space of ours, trained whole."""

from nasbench_suite.spaces.grid import GridSpace
from nasbench_suite.spaces.joint import JointSpace
from nasbench_suite.spaces.nats_topology import EDGES, OPERATIONS, NatsTopologySpace
from nasbench_suite.spaces.subspace import Subspace

NAME = "joint_topology"
HYPERPARAMETERS = {
    "learning_rate": ("0.0125", "0.05", "0.2"),
    "batch": ("50", "100", "200"),
    "weight_decay": ("5e-05", "0.0005", "0.005"),
}
"""Values of each hyperparameter; the middle ones are those of recipe `short`."""
FREE = [OPERATIONS.index(name) for name in ("skip_connect", "nor_conv_1x1", "nor_conv_3x3")]
"""Operations of all edges but the last, which has a 3x3 convolution."""


def joint_topology() -> JointSpace:
    """Return 243 cells, of which 180 are distinct, with 27 settings each."""
    choices = [*([FREE] * (len(EDGES) - 1)), [OPERATIONS.index("nor_conv_3x3")]]
    cells = Subspace("topology_of_convolutions", NatsTopologySpace(), choices)
    return JointSpace(cells, GridSpace(HYPERPARAMETERS), NAME)
