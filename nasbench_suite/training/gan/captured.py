"""A step of many GANs captured as a CUDA graph, so that its hundreds of operations are launched at once."""

import torch
from torch import Tensor

from nasbench_suite.training.gan.adversaries import Adversaries

_WARM_UPS = 2
"""Steps before the capture, in which libraries make their choices and allocate what a capture may not."""


class CapturedStep:
    """Replays `Adversaries.step`; the weights are after the capture what they were before.

    Parameters
    ----------
    adversaries
        On `cuda`.
    noise, real
        Arguments of a step.
    """

    def __init__(self, adversaries: Adversaries, noise: Tensor, real: Tensor):
        self._noise, self._real = noise.clone(), real.clone()
        before = [part.clone() for part in adversaries.state]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch is typed in part
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # a capture wants its warm-up on another stream than the default
            for _ in range(_WARM_UPS):
                adversaries.step(self._noise, self._real)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        torch.cuda.empty_cache()  # what the warm-up held the graph's own memory needs
        self._graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(self._graph):
                adversaries.step(self._noise, self._real)
        finally:
            for part, value in zip(adversaries.state, before, strict=True):
                part.copy_(value)

    def __call__(self, noise: Tensor, real: Tensor) -> None:
        """Take a step."""
        self._noise.copy_(noise)
        self._real.copy_(real)
        self._graph.replay()
