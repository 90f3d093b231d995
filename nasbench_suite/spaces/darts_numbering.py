"""Numberings of a DARTS cell's four intermediate nodes: which are legal, and what they leave the same."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations, permutations, product

PREDECESSORS = {node: tuple(combinations(range(node), 2)) for node in (2, 3, 4, 5)}
"""The pairs of predecessors of each node, in lexicographic order: 1, 3, 6 and 10 of them."""

Structure = tuple[tuple[int, int], ...]
"""The predecessors of nodes 2 to 5, each pair ascending."""


def distinct_cells(n_operations: int) -> int:
    """Return how many cells with `n_operations` operations remain when isomorphic ones are counted once.

    A class has as many gene rows as its structure has legal numberings, divided by the order of the cell's
    automorphism group; the sum over all gene rows of the inverse is the number of classes. As in Burnside's
    lemma the automorphisms of all cells with one structure are counted at once: a numbering that leaves the
    structure alone leaves `n_operations` to the number of its edge cycles of cells alone.
    """
    classes = Fraction(0)
    for structure in structures():
        numberings = [renumber(structure, numbering) for numbering in permutations(range(2, 6))]
        legal = [found for found in numberings if found is not None]
        fixed = sum(n_operations ** _cycles(edges) for pairs, edges in legal if pairs == structure)
        classes += Fraction(fixed, len(legal))
    return int(classes)


def structures() -> list[Structure]:
    """Return the 180 choices of predecessors, in the order of the pair genes."""
    return list(product(*PREDECESSORS.values()))


def renumber(structure: Structure, numbering: Sequence[int]) -> tuple[Structure, tuple[int, ...]] | None:
    """Give node `2 + i` the number `numbering[i]`; None if an edge would lead backwards.

    Returns the new structure and, for each of the eight edges, its place in the new order of edges.
    """
    number = (0, 1, *numbering)
    pairs: dict[int, tuple[int, int]] = {}
    edges = []
    for node, (low, high) in enumerate(structure, start=2):
        first, second = number[low], number[high]
        if max(first, second) >= number[node]:
            return None
        pairs[number[node]] = (min(first, second), max(first, second))
        place = 2 * (number[node] - 2)
        edges += [place + (first > second), place + (first < second)]
    return tuple(pairs[node] for node in (2, 3, 4, 5)), tuple(edges)


def _cycles(permutation: tuple[int, ...]) -> int:
    unseen = set(range(len(permutation)))
    cycles = 0
    while unseen:
        cycles += 1
        place = min(unseen)
        while place in unseen:
            unseen.remove(place)
            place = permutation[place]
    return cycles
