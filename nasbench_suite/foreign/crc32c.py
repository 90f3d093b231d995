"""CRC-32C (Castagnoli), the checksum of TFRecord files, of many byte strings at once.

RFC 3720, appendix B.4: polynomial 0x1EDC6F41, bits reflected, register and result complemented. Python's
standard library has only CRC-32 with another polynomial, and a loop over bytes takes minutes for a file of
gigabytes. A CRC is linear, though: every byte contributes to the register on its own, by its value and its
distance from the end, so a table look-up for each byte and an exclusive or over each string replace the loop.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

_REFLECTED_POLYNOMIAL = 0x82F63B78
_BLOCK = 1024  # longest distance in the table, whose 1 MiB stays in a core's cache
_BLOCKS_AT_ONCE = 256  # small intermediate arrays: four times as fast as large ones, which need fresh pages
_MASK_ROTATION = 15
_MASK_OFFSET = 0xA282EAD8

Sums = NDArray[np.uint32]


@cache
def _contributions() -> Sums:
    """Return what a byte leaves in the register, at distance from the end times 256 plus byte: `[262144]`."""
    register: Sums = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        register = (register >> np.uint32(1)) ^ (register & np.uint32(1)) * np.uint32(_REFLECTED_POLYNOMIAL)
    table = np.empty((_BLOCK, 256), dtype=np.uint32)
    table[0] = register
    for distance in range(1, _BLOCK):
        before = table[distance - 1]
        table[distance] = (before >> 8) ^ register[before & 255]
    table.setflags(write=False)
    return table.ravel()


@cache
def _all_ones_after() -> Sums:
    """Return what the initial register of ones becomes after 0 to 1024 zero bytes: uint32 `[1025]`."""
    one_byte = _contributions()[:256]
    register = 0xFFFFFFFF
    after = [register]
    for _ in range(_BLOCK):
        register = (register >> 8) ^ int(one_byte[register & 255])
        after.append(register)
    return np.array(after, dtype=np.uint32)


def crc32c(data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Sums:
    """Return the CRC-32C of every part `data[start:end]`, uint32 `[n]`.

    Parameters
    ----------
    data
        Bytes that hold all parts.
    starts, ends
        int64 `[n]`: where each part begins and ends, in ascending order and without overlap.
    """
    lengths = ends - starts
    blocks = np.maximum(-(-lengths // _BLOCK), 1)
    # The first block of a part is the short one, so that all others push the register on by whole blocks.
    first = lengths - (blocks - 1) * _BLOCK
    place = np.cumsum(blocks) - blocks
    number = np.arange(blocks.sum()) - np.repeat(place, blocks)
    block_ends = np.repeat(starts + first, blocks) + number * _BLOCK
    block_starts = np.where(number == 0, np.repeat(starts, blocks), block_ends - _BLOCK)
    sums = _block_sums(np.frombuffer(data, dtype=np.uint8), block_starts, block_ends)
    register = _all_ones_after()[first] ^ sums[place]
    for step in range(1, int(blocks.max(initial=1))):
        longer = np.flatnonzero(blocks > step)
        register[longer] = _after_a_block(register[longer]) ^ sums[place[longer] + step]
    complement: Sums = ~register
    return complement


def masked(sums: Sums) -> Sums:
    """Rotate and shift sums as TFRecord stores them (`crc32c::Mask` of TensorFlow), uint32 `[n]`."""
    rotated = (sums >> np.uint32(_MASK_ROTATION)) | (sums << np.uint32(32 - _MASK_ROTATION))
    return rotated + np.uint32(_MASK_OFFSET)


def _block_sums(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Sums:
    """Return the register that each block of at most 1024 bytes leaves, beginning with zero: uint32 `[n]`."""
    sums = np.zeros(len(starts), dtype=np.uint32)
    filled = np.flatnonzero(ends > starts)
    for some in np.split(filled, range(_BLOCKS_AT_ONCE, len(filled), _BLOCKS_AT_ONCE)):
        if some.size:
            sums[some] = _sums_of_filled(data, starts[some], ends[some])
    return sums


def _sums_of_filled(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Sums:
    begin, end = starts[0], ends[-1]
    # Blocks and the gaps between them, whose sums are computed as well and not used.
    bounds = np.union1d(starts, ends) - begin
    distance = np.repeat((bounds[1:] - 1).astype(np.int32), np.diff(bounds))
    distance -= np.arange(end - begin, dtype=np.int32)
    distance &= _BLOCK - 1  # a gap may be longer than the table
    distance <<= 8
    distance |= data[begin:end]
    sums = np.bitwise_xor.reduceat(_contributions().take(distance), bounds[:-1])
    wanted: Sums = sums[np.searchsorted(bounds, starts - begin)]
    return wanted


def _after_a_block(register: Sums) -> Sums:
    """Push registers on by 1024 zero bytes; a register acts like four bytes in front of them."""
    table = _contributions().reshape(_BLOCK, 256)
    pushed = np.zeros_like(register)
    for place in range(4):
        pushed ^= table[_BLOCK - 1 - place, (register >> np.uint32(8 * place)) & np.uint32(255)]
    return pushed
