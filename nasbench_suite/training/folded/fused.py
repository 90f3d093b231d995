"""What stands on the edges and nodes of a folded cell, by the kernels of `kernels.py`, for GPUs.

The same interface and results as `operations.py` and `activations.py`, to rounding.
"""

from collections.abc import Sequence

from torch import Tensor

from nasbench_suite.training.folded import kernels
from nasbench_suite.training.folded.activations import Activation, Buffers, Members, Window
from nasbench_suite.training.folded.parameters import EPSILON, Norm, Weight

_ELEMENTS = 4096
"""Numbers of a tile of a convolution: what four warps hold in 32 registers each."""
_LINE = 1024
_PART, _LANES = 8, 128


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 1).bit_length()


def _tiles(places: int, tile: int) -> int:
    return -(-places // tile)


class FusedActivation(Activation):
    """The values at one node; see `Activation`."""

    def __init__(
        self,
        shape: Sequence[int],
        role: object,
        buffers: Buffers,
        *,
        training: bool,
        pad: int | None = None,
    ):
        super().__init__(shape, role, buffers, training=training, pad=pad)
        self._lines = self.models * self.channels
        self._grid = (self._lines, _tiles(self.places, _LINE))
        self._lead = (pad or 0) * self.batch
        self._row = self.places + 2 * self._lead

    def rectify(self) -> None:
        """Bring `rectified` up to date."""
        if self.convolved:
            kernels.rectify[self._grid](
                self.value, self.rectified, self.places, self._row, self._lead, TILE=_LINE
            )

    def finish_grad(self) -> None:
        """Add what came through ReLU."""
        if self.convolved:
            kernels.back_through_relu[self._grid](
                self.rectified,
                self.grad_rectified,
                self.grad,
                self.places,
                self._row,
                self._lead,
                ADDS=self.passes_grad_on,
                TILE=_LINE,
            )

    def centre_grad(self) -> None:
        """Set `grad_sum` and `grad_centred`, which all normalised operations that end here use."""
        kernels.centre[(self._lines,)](
            self.grad, self.grad_sum, self.grad_centred, PLACES=self.places, TILE=_LINE
        )


class FusedReluConvNorm:
    """ReLU, convolution of 1 or 3 taps, batch normalisation; see `operations.ReluConvNorm`."""

    convolves = True

    def __init__(
        self,
        source: Activation,
        target: Activation,
        who: Members,
        weight: Weight,
        norm: Norm,
        buffers: Buffers,
        *,
        training: bool,
    ):
        self.weight, self.norm, self.index = weight, norm, who.index
        self.source, self.target = source, target
        self.models, self.channels, self.places = len(who), source.channels, source.places
        self.bias = Window(target.bias, who, buffers, "bias")
        self.scaled = buffers.own(*weight.shape)
        lead = (source.pad or 0) * source.batch
        block = _power_of_two(self.channels)
        tile = max(_ELEMENTS // block, 16)
        self._shape = (self.places + 2 * lead, lead, source.batch, self.models)
        size = {"PLACES": self.places, "CHANNELS": self.channels}
        self._tiling = {**size, "BLOCK": block, "TAPS": weight.shape[0], "TILE": tile}
        self._grid = (self.models, _tiles(self.places, tile))
        if training:
            norm.count(self.places)
            shape = (self.models, self.channels, self.places)
            self.y = buffers.own(*shape)
            self.delta = buffers.shared("delta", source.models, *shape[1:])[: self.models]

    def start(self) -> None:
        """Add the normalisation's shift to the target's bias."""
        self._add_to_bias(self.norm.shift.value)

    def forward(self) -> None:
        """Convolve, centre, and add what the gain makes of it."""
        norm = self.norm
        kernels.convolve_and_normalise[(self.models,)](
            self.source.rectified,
            self.index,
            self.weight.value,
            norm.scale.value,
            self.y,
            self.target.value,
            norm.batch_mean,
            norm.batch_var,
            norm.inverse,
            norm.gain,
            *self._shape,
            EPSILON,
            **self._tiling,
        )

    def backward(self) -> None:
        """Go back through normalisation, convolution and padding."""
        norm, tiling = self.norm, self._tiling
        kernels.back_through_norm[(self.models,)](
            self.target.grad_centred,
            self.index,
            self.y,
            norm.batch_mean,
            norm.inverse,
            norm.gain,
            self.target.grad_sum,
            self.delta,
            norm.scale.grad,
            norm.shift.grad,
            **{name: tiling[name] for name in ("PLACES", "CHANNELS", "BLOCK", "TILE")},
        )
        blocks = _tiles(self.channels, _PART)
        kernels.weight_gradient[(self.models, tiling["TAPS"] * blocks * blocks)](
            self.source.rectified,
            self.index,
            self.delta,
            self.weight.grad,
            *self._shape,
            blocks,
            PLACES=self.places,
            CHANNELS=self.channels,
            PART=_PART,
            TAPS=tiling["TAPS"],
            LANES=_LANES,
        )
        kernels.back_through_convolution[self._grid](
            self.delta, self.index, self.weight.value, self.source.grad_rectified, *self._shape, **tiling
        )

    def prepare(self) -> None:
        """Take the gain into the weights and the offset into the bias."""
        self.scaled.copy_(self.weight.value * self.norm.gain)
        self._add_to_bias(self.norm.offset)

    def infer(self) -> None:
        """Convolve with the weights that `prepare` made."""
        kernels.convolve[self._grid](
            self.source.rectified, self.index, self.scaled, self.target.value, *self._shape, **self._tiling
        )

    def _add_to_bias(self, values: Tensor) -> None:
        self.bias.clear()
        self.bias.tensor.add_(values)
        self.bias.flush()


class FusedNeighbours:
    """The identity (`width` 1), or the average over three neighbours that are there (`width` 3)."""

    convolves = False
    width = 1

    def __init__(
        self, source: Activation, target: Activation, who: Members, buffers: Buffers, *, training: bool
    ):
        self.source, self.target, self.index = source, target, who.index
        self._grid = (len(who) * source.channels, _tiles(source.places, _LINE))
        self._shape = (source.places, source.batch, source.channels)

    def start(self) -> None:
        """Add nothing to the bias."""

    prepare = start

    def forward(self) -> None:
        """Add to the target."""
        self._add(self.source.value, self.target.value, back=False)

    infer = forward

    def backward(self) -> None:
        """Add to the source's gradient."""
        self._add(self.target.grad, self.source.grad, back=True)

    def _add(self, x: Tensor, y: Tensor, *, back: bool) -> None:
        kernels.add_neighbours[self._grid](
            x, self.index, y, *self._shape, WIDTH=self.width, BACK=back, TILE=_LINE
        )


class FusedAveragePool3(FusedNeighbours):
    """Average over three neighbours, over two at the ends: padding is not counted."""

    width = 3
