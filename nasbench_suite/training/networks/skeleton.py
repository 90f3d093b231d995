"""What surrounds the searched part of a network."""

from dataclasses import dataclass
from typing import Literal

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.operations import Dims

Style = Literal["official", "light"]
"""`official` as the benchmark's authors built it, `light` a small version for small data."""


@dataclass(frozen=True)
class Skeleton:
    """What surrounds the searched part of a network.

    Every space reads the fields that its network has and ignores the others.

    Attributes
    ----------
    inputs
        Channels of the input.
    classes
        Number of logits.
    dims
        1 for signals `[n, inputs, length]`, 2 for images `[n, inputs, height, width]`.
    width
        Channels of the first stage (C), of which all others are multiples. In `macro`, `mobile` and
        `mnasnet` those of the stem, in `nats_size` the least number that a layer may have.
    depth
        Cells per stage (N); in `darts_cell` cells in all. `macro`, `mobile` and `mnasnet` have their own.
    style
        `official` or `light`; see the space's network.
    widths
        Channels of every part of a `mobile` or `mnasnet` network, from stem to head, in place of `width`.
    auxiliary
        Whether a `darts_cell` network has an auxiliary head.
    drop_path
        Share of the paths that a `darts_cell` network leaves out in training, at first.

    Raises
    ------
    NasbenchSuiteError
        When a number is not positive, `drop_path` is not in [0, 1), or `dims` or `style` is none of these.
    """

    inputs: int = 3
    classes: int = 10
    dims: Dims = 2
    width: int = 16
    depth: int = 5
    style: Style = "official"
    widths: tuple[int, ...] = ()
    auxiliary: bool = False
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        for name in ("inputs", "classes", "width", "depth"):
            _refuse_below_one(name, getattr(self, name))
        for width in self.widths:
            _refuse_below_one("every number of widths", width)
        if self.dims not in (1, 2):
            raise NasbenchSuiteError(f"a skeleton's dims must be 1 (signals) or 2 (images), not {self.dims}.")
        if self.style not in ("official", "light"):
            raise NasbenchSuiteError(f"a skeleton's style must be official or light, not {self.style!r}.")
        if not 0 <= self.drop_path < 1:
            raise NasbenchSuiteError(f"a skeleton's drop_path must be in [0, 1), not {self.drop_path}.")


def _refuse_below_one(name: str, number: int) -> None:
    if number < 1:
        raise NasbenchSuiteError(f"a skeleton's {name} must be at least 1, not {number}.")
