"""Triton kernels of folded networks: what `operations.py` does in many passes over memory, in few.

Folded networks are bound by memory: a convolution of 8 channels does 24 multiplications for a number that it
reads. Every kernel here reads and writes an activation as rarely as it can, takes the models that have an
operation by their numbers, so that nothing is gathered, and sums in an order that does not depend on which
program is first, so that the same seed gives the same bytes.

Activations are `[M, channels, places]` with `places = length * batch`, the batch last; a neighbour in the
length is `batch` places away. Padded ones have `lead` places before and after, and rows of `row`.
"""

import triton
import triton.language as tl
from triton.language import constexpr


@triton.jit
def convolve(
    x,
    index,
    weight,
    out,
    row,
    lead,
    batch,
    models,
    PLACES: constexpr,
    CHANNELS: constexpr,
    BLOCK: constexpr,
    TAPS: constexpr,
    TILE: constexpr,
):
    """Add to `out[model]` the convolution of a padded `x[model]`, without normalisation.

    Grid: models that have it, tiles of places.
    """
    place = tl.program_id(0)
    model = tl.load(index + place)
    n = tl.program_id(1) * TILE + tl.arange(0, TILE)
    c = tl.arange(0, BLOCK)
    total = _taps(
        x + model * CHANNELS * row + lead,
        weight,
        place,
        n,
        n < PLACES,
        row,
        batch,
        models,
        CHANNELS,
        BLOCK,
        TAPS,
        TILE,
    )
    here = (c < CHANNELS)[:, None] & (n < PLACES)[None, :]
    at = out + model * CHANNELS * PLACES + c[:, None] * PLACES + n[None, :]
    tl.store(at, tl.load(at, mask=here, other=0.0) + total, mask=here)


@triton.jit
def _taps(
    x,
    weight,
    place,
    n,
    inside,
    row,
    batch,
    models,
    CHANNELS: constexpr,
    BLOCK: constexpr,
    TAPS: constexpr,
    TILE: constexpr,
):
    """Return the convolution at places `n`, `[BLOCK, TILE]`; `x` points at the first place of the inside."""
    c = tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, TILE), dtype=x.dtype.element_ty)
    for tap in tl.static_range(TAPS):
        shift = (tap - TAPS // 2) * batch
        of_tap = weight + (tap * models + place) * CHANNELS * CHANNELS
        for source in range(CHANNELS):
            values = tl.load(x + source * row + shift + n, mask=inside, other=0.0)
            column = tl.load(of_tap + c * CHANNELS + source, mask=c < CHANNELS, other=0.0)
            total += column[:, None] * values[None, :]
    return total


@triton.jit
def convolve_and_normalise(
    x,
    index,
    weight,
    scale,
    y,
    out,
    mean_out,
    variance_out,
    inverse_out,
    gain_out,
    row,
    lead,
    batch,
    models,
    epsilon,
    PLACES: constexpr,
    CHANNELS: constexpr,
    BLOCK: constexpr,
    TAPS: constexpr,
    TILE: constexpr,
):
    """Convolve `x[model]`, padded, into `y[place]`; add to `out[model]` what the gain makes of it, centred.

    Mean and sum of squared deviations are updated tile by tile (Chan, Golub, LeVeque: "Algorithms for
    computing the sample variance", The American Statistician 37, 1983). Grid: models that have it.
    """
    place = tl.program_id(0)
    model = tl.load(index + place)
    c = tl.arange(0, BLOCK)
    is_channel = c < CHANNELS
    start_of_y = y + place.to(tl.int64) * CHANNELS * PLACES + c[:, None] * PLACES
    mean = tl.zeros((BLOCK,), dtype=x.dtype.element_ty)
    squares = tl.zeros((BLOCK,), dtype=x.dtype.element_ty)
    before = tl.zeros((BLOCK,), dtype=x.dtype.element_ty)
    for start in range(0, PLACES, TILE):
        n = start + tl.arange(0, TILE)
        inside = n < PLACES
        total = _taps(
            x + model * CHANNELS * row + lead,
            weight,
            place,
            n,
            inside,
            row,
            batch,
            models,
            CHANNELS,
            BLOCK,
            TAPS,
            TILE,
        )
        here = is_channel[:, None] & inside[None, :]
        tl.store(start_of_y + n[None, :], total, mask=here)
        count = tl.sum(tl.where(inside, 1.0, 0.0), 0)
        of_tile = tl.sum(total, 1) / count  # places beyond the end are zero
        deviations = tl.where(inside[None, :], total - of_tile[:, None], 0.0)
        step = of_tile - mean
        squares += tl.sum(deviations * deviations, 1) + step * step * (before * count / (before + count))
        mean += step * (count / (before + count))
        before += count
    variance = squares / PLACES
    inverse = 1.0 / tl.sqrt(variance + epsilon)
    of_norm = place * CHANNELS + c
    gain = tl.load(scale + of_norm, mask=is_channel, other=0.0) * inverse
    tl.store(mean_out + of_norm, mean, mask=is_channel)
    tl.store(variance_out + of_norm, variance, mask=is_channel)
    tl.store(inverse_out + of_norm, inverse, mask=is_channel)
    tl.store(gain_out + of_norm, gain, mask=is_channel)
    tl.debug_barrier()  # every thread sees what the others stored of y
    start_of_out = out + model * CHANNELS * PLACES + c[:, None] * PLACES
    for start in range(0, PLACES, TILE):
        n = start + tl.arange(0, TILE)
        here = is_channel[:, None] & (n < PLACES)[None, :]
        values = tl.load(start_of_y + n[None, :], mask=here, other=0.0)
        at = start_of_out + n[None, :]
        tl.store(at, tl.load(at, mask=here, other=0.0) + gain[:, None] * (values - mean[:, None]), mask=here)


@triton.jit
def back_through_norm(
    grad,
    index,
    y,
    mean_in,
    inverse_in,
    gain_in,
    grad_sum,
    delta,
    scale_grad,
    shift_grad,
    PLACES: constexpr,
    CHANNELS: constexpr,
    BLOCK: constexpr,
    TILE: constexpr,
):
    """Set the gradients of scale and shift, and `delta[place]`, that of the convolution's result.

    `grad[model]` has mean zero over the places; `grad_sum[model]` is its sum before. Grid: models.
    """
    place = tl.program_id(0)
    model = tl.load(index + place)
    c = tl.arange(0, BLOCK)
    is_channel = c < CHANNELS
    of_norm = place * CHANNELS + c
    mean = tl.load(mean_in + of_norm, mask=is_channel, other=0.0)
    inverse = tl.load(inverse_in + of_norm, mask=is_channel, other=0.0)
    gain = tl.load(gain_in + of_norm, mask=is_channel, other=0.0)
    start_of_grad = grad + model * CHANNELS * PLACES + c[:, None] * PLACES
    own = place.to(tl.int64) * CHANNELS * PLACES + c[:, None] * PLACES
    parts = tl.zeros((BLOCK, TILE), dtype=grad.dtype.element_ty)
    for start in range(0, PLACES, TILE):
        n = start + tl.arange(0, TILE)
        here = is_channel[:, None] & (n < PLACES)[None, :]
        values = tl.load(y + own + n[None, :], mask=here, other=0.0) - mean[:, None]
        parts += tl.load(start_of_grad + n[None, :], mask=here, other=0.0) * values
    product = tl.sum(parts, 1)
    tl.store(scale_grad + of_norm, product * inverse, mask=is_channel)
    total = tl.load(grad_sum + model * CHANNELS + c, mask=is_channel, other=0.0)
    tl.store(shift_grad + of_norm, total, mask=is_channel)
    slope = -product * inverse * inverse / PLACES
    for start in range(0, PLACES, TILE):
        n = start + tl.arange(0, TILE)
        here = is_channel[:, None] & (n < PLACES)[None, :]
        values = tl.load(y + own + n[None, :], mask=here, other=0.0) - mean[:, None]
        found = tl.load(start_of_grad + n[None, :], mask=here, other=0.0) + values * slope[:, None]
        tl.store(delta + own + n[None, :], gain[:, None] * found, mask=here)


@triton.jit
def weight_gradient(
    x,
    index,
    delta,
    weight_grad,
    row,
    lead,
    batch,
    models,
    blocks,
    PLACES: constexpr,
    CHANNELS: constexpr,
    PART: constexpr,
    TAPS: constexpr,
    LANES: constexpr,
):
    """Set `weight_grad[tap, place]`, `[channels, channels]`, the products of `delta[place]` and `x[model]`.

    Grid: models that have it; taps times blocks of targets times blocks of sources.
    """
    place = tl.program_id(0)
    model = tl.load(index + place)
    part = tl.program_id(1)
    tap, target, source = part // (blocks * blocks), part // blocks % blocks, part % blocks
    target_channels = target * PART + tl.arange(0, PART)
    source_channels = source * PART + tl.arange(0, PART)
    from_x = x + model * CHANNELS * row + lead + (tap - TAPS // 2) * batch + source_channels[:, None] * row
    from_delta = delta + place.to(tl.int64) * CHANNELS * PLACES + target_channels[:, None] * PLACES
    products = tl.zeros((PART, PART, LANES), dtype=x.dtype.element_ty)
    for start in range(0, PLACES, LANES):
        n = start + tl.arange(0, LANES)
        inside = (n < PLACES)[None, :]
        values = tl.load(from_x + n[None, :], mask=inside & (source_channels < CHANNELS)[:, None], other=0.0)
        errors = tl.load(
            from_delta + n[None, :], mask=inside & (target_channels < CHANNELS)[:, None], other=0.0
        )
        products += errors[:, None, :] * values[None, :, :]
    at = weight_grad + (tap * models + place) * CHANNELS * CHANNELS
    at += target_channels[:, None] * CHANNELS + source_channels[None, :]
    is_weight = (target_channels < CHANNELS)[:, None] & (source_channels < CHANNELS)[None, :]
    tl.store(at, tl.sum(products, 2), mask=is_weight)


@triton.jit
def back_through_convolution(
    delta,
    index,
    weight,
    grad_x,
    row,
    lead,
    batch,
    models,
    PLACES: constexpr,
    CHANNELS: constexpr,
    BLOCK: constexpr,
    TAPS: constexpr,
    TILE: constexpr,
):
    """Add to a padded `grad_x[model]` the transposed convolution of `delta[place]`; padding stays as it is.

    Grid: models that have it, tiles of places.
    """
    place = tl.program_id(0)
    model = tl.load(index + place)
    n = tl.program_id(1) * TILE + tl.arange(0, TILE)
    c = tl.arange(0, BLOCK)
    errors = delta + place.to(tl.int64) * CHANNELS * PLACES
    total = tl.zeros((BLOCK, TILE), dtype=delta.dtype.element_ty)
    for tap in tl.static_range(TAPS):
        at = n - (tap - TAPS // 2) * batch
        inside = (at >= 0) & (at < PLACES)
        of_tap = weight + (tap * models + place) * CHANNELS * CHANNELS
        for target in range(CHANNELS):
            values = tl.load(errors + target * PLACES + at, mask=inside, other=0.0)
            line = tl.load(of_tap + target * CHANNELS + c, mask=c < CHANNELS, other=0.0)
            total += line[:, None] * values[None, :]
    here = (c < CHANNELS)[:, None] & (n < PLACES)[None, :]
    at_x = grad_x + model * CHANNELS * row + lead + c[:, None] * row + n[None, :]
    tl.store(at_x, tl.load(at_x, mask=here, other=0.0) + total, mask=here)


@triton.jit
def add_neighbours(x, index, y, places, batch, channels, WIDTH: constexpr, BACK: constexpr, TILE: constexpr):
    """Add to `y[model]` its `x` (`WIDTH` 1), or the mean over three neighbours that are there (`WIDTH` 3).

    `BACK` gives every place's share back to those that it came from. Grid: models times channels, tiles.
    """
    channel = tl.program_id(0) % channels
    model = tl.load(index + tl.program_id(0) // channels)
    n = tl.program_id(1) * TILE + tl.arange(0, TILE)
    start = (model * channels + channel) * places
    here = n < places
    if WIDTH == 1:
        total = tl.load(x + start + n, mask=here, other=0.0)
    else:
        total = tl.zeros((TILE,), dtype=x.dtype.element_ty)
        for tap in tl.static_range(WIDTH):
            at = n + (tap - WIDTH // 2) * batch
            there = here & (at >= 0) & (at < places)
            divisor_at = at if BACK else n
            is_end = (divisor_at < batch) | (divisor_at >= places - batch)
            values = tl.load(x + start + at, mask=there, other=0.0)
            total += values / tl.where(is_end, WIDTH - 1, WIDTH).to(x.dtype.element_ty)
    tl.store(y + start + n, tl.load(y + start + n, mask=here, other=0.0) + total, mask=here)


@triton.jit
def rectify(x, padded, places, row, lead, TILE: constexpr):
    """Write the positive part of `x` into the inside of `padded`. Grid: models times channels, tiles."""
    line = tl.program_id(0).to(tl.int64)
    n = tl.program_id(1) * TILE + tl.arange(0, TILE)
    here = n < places
    values = tl.load(x + line * places + n, mask=here, other=0.0)
    tl.store(padded + line * row + lead + n, tl.maximum(values, 0.0), mask=here)


@triton.jit
def back_through_relu(padded, grad_padded, grad, places, row, lead, ADDS: constexpr, TILE: constexpr):
    """Set `grad` (or add to it) to what came through ReLU. Grid: models times channels, tiles."""
    line = tl.program_id(0).to(tl.int64)
    n = tl.program_id(1) * TILE + tl.arange(0, TILE)
    here = n < places
    inside = line * row + lead + n
    values = tl.load(padded + inside, mask=here, other=0.0)
    found = tl.where(values > 0, tl.load(grad_padded + inside, mask=here, other=0.0), 0.0)
    at = grad + line * places + n
    if ADDS:
        found += tl.load(at, mask=here, other=0.0)
    tl.store(at, found, mask=here)


@triton.jit
def centre(x, total_out, centred, PLACES: constexpr, TILE: constexpr):
    """Set the sum of `x` over its places, and `x` less its mean. Grid: models times channels."""
    line = tl.program_id(0).to(tl.int64)
    parts = tl.zeros((TILE,), dtype=x.dtype.element_ty)
    for start in range(0, PLACES, TILE):
        n = start + tl.arange(0, TILE)
        parts += tl.load(x + line * PLACES + n, mask=n < PLACES, other=0.0)
    total = tl.sum(parts, 0)
    tl.store(total_out + line, total)
    mean = total / PLACES
    for start in range(0, PLACES, TILE):
        n = start + tl.arange(0, TILE)
        values = tl.load(x + line * PLACES + n, mask=n < PLACES, other=0.0)
        tl.store(centred + line * PLACES + n, values - mean, mask=n < PLACES)
