"""A forward pass captured as a CUDA graph: all launches at once, so that Python's part of each is gone.

For a network of many small operations eager PyTorch measures how fast Python launches them; a graph measures
the device.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

_WARM_UPS = 3
"""Passes before the capture, in which libraries make their choices and allocate what a capture may not."""


def graph_pass(network: nn.Module, inputs: Tensor) -> Callable[[], object]:
    """Return a replay of the network's forward pass, which waits until the device is done.

    Parameters
    ----------
    network
        In evaluation, on `cuda`; without gradients.
    inputs
        What it is given, on `cuda`.
    """
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch is typed in part
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # a capture wants its warm-up on another stream than the default
        for _ in range(_WARM_UPS):
            network(inputs)
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = network(inputs)
    kept = network, inputs, outputs  # the graph holds addresses, not tensors

    def replay() -> object:
        graph.replay()
        torch.cuda.synchronize()
        return kept

    return replay
