"""Channels and strides of networks of inverted bottlenecks."""

from collections.abc import Sequence

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.training.networks.skeleton import Skeleton


def scaled_widths(official: Sequence[int], skeleton: Skeleton) -> list[int]:
    """Return the channels of all parts of a network, of the stem first and of the head last.

    They are the official ones times `width` over the stem's. Style `official` rounds to multiples of 8, at
    least 8 and never down by more than a tenth, and the head keeps at least its official channels, as in
    MobileNetV2 and what came after it; style `light` rounds to whole numbers. The skeleton's `widths` take
    their place if there are any.

    Raises
    ------
    NasbenchSuiteError
        When there are another number of `widths` than the network has parts.
    """
    if skeleton.widths:
        if len(skeleton.widths) != len(official):
            raise NasbenchSuiteError(
                f"this network has {len(official)} widths, such as {tuple(official)}, "
                f"not {len(skeleton.widths)}."
            )
        return list(skeleton.widths)
    exact = [width * skeleton.width / official[0] for width in official]
    if skeleton.style == "light":
        return [max(1, round(width)) for width in exact]
    return [*map(_to_eights, exact[:-1]), max(_to_eights(exact[-1]), official[-1])]


def _to_eights(width: float) -> int:
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * width else nearest


def strides_of_layers(strides: Sequence[int], layers: Sequence[int]) -> list[int]:
    """Return the stride of every layer, where the first layer of stage `s` has stride `strides[s]`."""
    return [
        stride if place == 0 else 1
        for stride, n_layers in zip(strides, layers, strict=True)
        for place in range(n_layers)
    ]
