"""The graph hash by which NAS-Bench-101 names its cells.

Ying, "Enumerating Unique Computational Graphs via an Iterative Graph Invariant" (arXiv 1902.06192): every
vertex begins with a hash of its degrees and its label, takes up those of its neighbours as often as there are
vertices, and the hash of the sorted result names the graph. It separates all 423,624 cells. The strings that
are hashed follow `graph_util.hash_module` of google-research/nasbench, since a name is worth nothing unless
it is the same name.
"""

from collections.abc import Sequence
from hashlib import md5

INPUT_LABEL, OUTPUT_LABEL = -1, -2


def graph_hash(matrix: Sequence[Sequence[int]], operations: Sequence[int]) -> str:
    """Return the hash of a pruned cell, 32 hexadecimal digits.

    Parameters
    ----------
    matrix
        Upper-triangular adjacency of zeros and ones, `[v][v]`.
    operations
        Numbers of the `v - 2` interior operations in the benchmark's order.
    """
    vertices = range(len(matrix))
    sources = [[u for u in vertices if matrix[u][v]] for v in vertices]
    targets = [[w for w in vertices if matrix[v][w]] for v in vertices]
    labels = (INPUT_LABEL, *operations, OUTPUT_LABEL)
    hashes = [_md5(str((len(targets[v]), len(sources[v]), labels[v]))) for v in vertices]
    for _ in vertices:
        hashes = [
            _md5(f"{_joined(hashes, sources[v])}|{_joined(hashes, targets[v])}|{hashes[v]}") for v in vertices
        ]
    return _md5(str(sorted(hashes)))


def _joined(hashes: Sequence[str], vertices: Sequence[int]) -> str:
    return "".join(sorted([hashes[vertex] for vertex in vertices]))


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()
