"""Finds the table row of every architecture of a batch.

A space that numbers its architectures densely is answered by one array from number to row. In a space too
large for that (DARTS cells, MnasNet) the keys of the rows are kept, and looked up through a hash table:
isomorphism keys where a row stands for a class, hashes of the genes where it stands for a string.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.spaces import Codes, Genes, NumberedSpace, SearchSpace

RowMeaning = Literal["string", "class"]
Rows = NDArray[np.int32]


class DenseIndex:
    """One entry per number of the space.

    Parameters
    ----------
    space
        Numbers its architectures.
    row_of_code
        int32 `[space.n_codes]`: the row that answers for each number, -1 where there is none.
    """

    def __init__(self, space: NumberedSpace, row_of_code: Rows):
        self._space = space
        self._row_of_code = row_of_code

    def rows(self, genes: Genes) -> Rows:
        """Return the row of every architecture, int32 `[n]`, -1 where the table has none."""
        if getattr(genes, "shape", None) == (1, self._space.n_genes) and genes.dtype == np.uint8:
            # A batch of one without array operations: a third of the time.
            return np.array([self._row_of_code.item(self._space.encode_one(genes))], dtype=np.int32)
        return self._row_of_code.take(self._space.encode(genes))


class KeyIndex:
    """Keys and the rows that they belong to.

    Parameters
    ----------
    space
        Gives a key for every architecture.
    meaning
        What a row is.
    keys, key_rows
        uint64 `[rows]`, ascending, and int32 `[rows]`.
    genes
        The architecture of each row; compared where keys are hashes, which might collide.
    """

    def __init__(
        self,
        space: SearchSpace,
        meaning: RowMeaning,
        keys: NDArray[np.uint64],
        key_rows: Rows,
        genes: Genes,
    ):
        self._space = space
        self._meaning: RowMeaning = meaning
        self._keys = keys
        self._key_rows = key_rows
        self._genes = genes

    @cached_property
    def _slots(self) -> NDArray[np.int32]:
        """A hash table of places in `keys`, at most a quarter full; -1 where a slot is free."""
        bits = max(4, (4 * len(self._keys)).bit_length())
        slots = np.full(1 << bits, -1, dtype=np.int32)
        left, slot = np.arange(len(self._keys), dtype=np.int32), _slot_of(self._keys, bits)
        while left.size:  # each round settles all but those that want a slot that another one got
            free = slots[slot] < 0
            slots[slot[free]] = left[free]
            homeless = slots[slot] != left
            left, slot = left[homeless], (slot[homeless] + 1) & (len(slots) - 1)
        return slots

    def _places(self, keys: NDArray[np.uint64]) -> NDArray[np.int32]:
        """Return the place in `keys` of every key, -1 where it is none of them."""
        slots = self._slots
        slot = _slot_of(keys, len(slots).bit_length() - 1)
        places = slots.take(slot)
        astray = np.flatnonzero((places >= 0) & (self._keys.take(places) != keys))
        while astray.size:
            slot[astray] = (slot[astray] + 1) & (len(slots) - 1)
            places[astray] = slots[slot[astray]]
            found = places[astray]
            astray = astray[(found >= 0) & (self._keys.take(found) != keys[astray])]
        return places

    def rows(self, genes: Genes) -> Rows:
        """Return the row of every architecture, int32 `[n]`, -1 where the table has none."""
        keys = row_keys(self._space, genes, self._meaning)
        if not len(self._keys):
            return np.full(len(keys), -1, dtype=np.int32)
        places = self._places(keys)
        rows = np.where(places >= 0, self._key_rows.take(places), np.int32(-1))
        if self._meaning == "string":
            rows[(_words(self._genes)[rows] != _words(genes)).any(axis=1)] = -1
        elif not self._space.key_is_exact:
            same = self._space.canonical(self._genes[rows]) == self._space.canonical(genes)
            rows[~same.all(axis=1)] = -1
        return rows


def row_keys(space: SearchSpace, genes: Genes, meaning: RowMeaning) -> NDArray[np.uint64]:
    """Return isomorphism keys, or hashes of the genes where a row stands for a string, `[n]`.

    Raises
    ------
    ArchitectureError
        When a row is no architecture of the space.
    """
    if meaning == "class" or getattr(genes, "shape", ())[1:] != (space.n_genes,) or genes.dtype != np.uint8:
        keys = space.key(genes)  # refuses what is no architecture
        if meaning == "class":
            return keys
        genes = genes.astype(np.uint8)
    hashes = np.zeros(len(genes), dtype=np.uint64)
    for word in _words(genes).T:
        hashes = (hashes + word + _STEP) * _FACTOR  # wraps round, as it should
        hashes ^= hashes >> np.uint64(32)
    return hashes


def _words(genes: Genes) -> NDArray[np.uint64]:
    """Return gene rows as words of eight genes, the last one padded with zeros: uint64 `[n, words]`."""
    n, n_genes = genes.shape
    padded = np.zeros((n, -(-n_genes // _WORD_BYTES) * _WORD_BYTES), dtype=np.uint8)
    padded[:, :n_genes] = genes
    return padded.view(np.uint64)


def _slot_of(keys: NDArray[np.uint64], bits: int) -> NDArray[np.int64]:
    """Return the slot where the search for each key begins: the upper bits of its product (Knuth, 6.4)."""
    return ((keys * _STEP) >> np.uint64(64 - bits)).astype(np.int64)


RowIndex = DenseIndex | KeyIndex
INDEX_ARRAYS = ("index", "keys", "key_rows")
_STEP = np.uint64(0x9E3779B97F4A7C15)
_WORD_BYTES = 8
_FACTOR = np.uint64(0xBF58476D1CE4E5B9)
"""Constants of SplitMix64 (Steele, Lea, Flood 2014): odd numbers without a pattern in their bits."""


def index_arrays(space: SearchSpace, genes: Genes, meaning: RowMeaning) -> dict[str, NDArray[Any]]:
    """Return the arrays that a table stores to find its rows: `index`, or `keys` and `key_rows`.

    Raises
    ------
    DamagedFileError
        When two rows are the same architecture, in the sense of `meaning`.
    """
    if isinstance(space, NumberedSpace):
        return {"index": dense_index(space, genes, meaning)}
    keys = row_keys(space, genes, meaning)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    twice = np.flatnonzero(ordered[1:] == ordered[:-1])
    if twice.size:
        _raise_twice(space, genes[order[twice[0]]])
    return {"keys": ordered, "key_rows": order.astype(np.int32)}


def dense_index(space: NumberedSpace, genes: Genes, meaning: RowMeaning) -> Rows:
    """Return the row that answers for each number of the space; see `index_arrays`."""
    representative = space.representative_of_code
    codes: Codes = space.encode(genes)
    if meaning == "class":
        codes = representative[codes].astype(np.int64)
    row_of_code = np.full(space.n_codes, -1, dtype=np.int32)
    row_of_code[codes] = np.arange(len(genes))
    twice = np.flatnonzero(row_of_code[codes] != np.arange(len(genes)))
    if twice.size:
        _raise_twice(space, genes[twice[0]])
    if meaning == "string":
        return row_of_code
    return np.where(representative >= 0, row_of_code[representative], -1).astype(np.int32)


def _raise_twice(space: SearchSpace, row: Genes) -> None:
    text = space.format(row[None])[0]
    raise DamagedFileError(f"architecture {text} has more than one row; each must appear once.")


def row_index(
    space: SearchSpace, arrays: Mapping[str, NDArray[Any]], genes: Genes, meaning: RowMeaning
) -> RowIndex:
    """Return the index over arrays that `index_arrays` made; `genes` are the table's."""
    if "index" in arrays:
        return DenseIndex(cast(NumberedSpace, space), arrays["index"])
    return KeyIndex(space, meaning, arrays["keys"], arrays["key_rows"], genes)
