"""A step of training captured as a CUDA graph: forward and backward pass launched at once.

Networks of cells are hundreds of small operations. On a GPU Python takes longer to launch those of a step
than the device takes to compute them; a replay launches them all.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
_WARM_UPS = 3
"""Passes before the capture, in which libraries make their choices and allocate what a capture may not."""


class CapturedStep:
    """Replays a step, for batches of one size.

    Gradients lie in the same memory after every replay, which overwrites them. A step that is not replayed
    must keep them there: zero them in place before it.

    Parameters
    ----------
    step
        Takes inputs and labels, sets the gradients of the network's weights and returns logits and loss.
    network
        Its weights and running statistics are afterwards what they were before.
    inputs, labels
        A batch on `cuda`, of the size and layout of all that will follow.
    """

    def __init__(self, step: Step, network: nn.Module, inputs: Tensor, labels: Tensor):
        self._inputs, self._labels = inputs.clone(), labels.clone()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch is typed in part
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # a capture wants its warm-up on another stream than the default
            for _ in range(_WARM_UPS):
                network.zero_grad(set_to_none=True)
                step(self._inputs, self._labels)
        torch.cuda.current_stream().wait_stream(side)
        network.load_state_dict(before)  # a pass moves the running statistics
        network.zero_grad(set_to_none=True)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._results = step(self._inputs, self._labels)

    def __call__(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step; return logits and loss, which the next call overwrites."""
        self._inputs.copy_(inputs)
        self._labels.copy_(labels)
        self._graph.replay()
        return self._results
