"""Models of XGBoost before it had JSON: its binary form, which releases from 3.1 no longer read.

Source: the structures `LearnerModelParamLegacy`, `GBTreeModelParam`, `TreeParam`, `RegTree::Node` and
`RTreeNodeStat` of XGBoost 1.0 (`src/learner.cc`, `src/gbm/gbtree_model.h`, `include/xgboost/tree_model.h`). A
pickle holds that form between a header and its settings as JSON; models saved to files may begin with `binf`.
"""

import struct

import numpy as np

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.regression_trees import NO_CHILD, RegressionTrees, checked

PICKLED = b"CONFIG-offset:"
"""What the bytes in a pickle begin with; a 64-bit number follows, the length of the model."""
_MAGIC = b"binf"
_LEARNER, _MODEL, _TREE = struct.Struct("<fIi124x"), struct.Struct("<i12x8xi4x128x"), struct.Struct("<ii140x")
_LENGTH = struct.Struct("<Q")
_LONGEST_NAME = 100
_NODE = np.dtype([("parent", "<i4"), ("left", "<i4"), ("right", "<i4"), ("split", "<u4"), ("number", "<f4")])
_STATISTICS = 16
_COLUMN_BITS = 0x7FFFFFFF


class _Bytes:
    """Hands out the bytes of a model from front to back."""

    def __init__(self, content: memoryview, source: str):
        self.content, self.source, self.place = content, source, 0

    def take(self, length: int) -> memoryview:
        if not 0 <= length <= len(self.content) - self.place:
            raise DamagedFileError(f"{self.source} ends before its trees do; fetch the file again.")
        self.place += length
        return self.content[self.place - length : self.place]

    def name(self) -> str:
        length = _LENGTH.unpack(self.take(_LENGTH.size))[0]
        if length > _LONGEST_NAME:
            raise DamagedFileError(f"{self.source} is no model of XGBoost 1.0; fetch the file again.")
        return bytes(self.take(length)).decode("ascii", "replace")


def read_xgboost(content: bytes | bytearray, source: str) -> RegressionTrees:
    """Return the trees of a model in the binary form, as a file or a pickle holds it.

    Parameters
    ----------
    content
        The model.
    source
        What messages call it.

    Raises
    ------
    DamagedFileError
        When it ends too early, or its trees are none.
    DamagedFileError
        When it is no sum of trees for a squared error: another objective, or classes.
    """
    read = _Bytes(memoryview(content), source)
    if content.startswith(PICKLED):
        read.take(len(PICKLED))
        length = _LENGTH.unpack(read.take(_LENGTH.size))[0]
        read = _Bytes(read.take(min(length, len(content))), source)
    if read.content[: len(_MAGIC)] == _MAGIC:
        read.take(len(_MAGIC))
    base, columns, classes = _LEARNER.unpack(read.take(_LEARNER.size))
    objective, booster = read.name(), read.name()
    if objective not in ("reg:squarederror", "reg:linear") or booster != "gbtree" or classes > 1:
        raise DamagedFileError(
            f"{source} is a model of booster {booster!r} for objective {objective!r}; only trees (gbtree) "
            "for reg:squarederror can be read."
        )
    count, _ = _MODEL.unpack(read.take(_MODEL.size))
    parts, sizes = [], [0]
    for _ in range(max(count, 0)):
        _, nodes = _TREE.unpack(read.take(_TREE.size))
        parts.append(np.frombuffer(read.take(max(nodes, 0) * _NODE.itemsize), dtype=_NODE))
        read.take(len(parts[-1]) * _STATISTICS)
        sizes.append(len(parts[-1]))
    nodes = np.concatenate(parts) if parts else np.empty(0, dtype=_NODE)
    leaf = nodes["left"] == NO_CHILD
    number = nodes["number"]
    return checked(
        RegressionTrees(
            columns=columns,
            base=base,
            starts=np.cumsum(sizes),
            feature=(nodes["split"] & _COLUMN_BITS).astype(np.int64),
            below=number.astype(np.float32),
            left=nodes["left"].astype(np.int64),
            right=np.where(leaf, NO_CHILD, nodes["right"]).astype(np.int64),
            value=number.astype(np.float64),
        ),
        source,
    )
