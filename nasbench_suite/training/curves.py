"""What a training leaves behind: learning curves, time, memory, and why it ended early if it did."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """Learning curves of `n` trainings, one row each; epochs that were not reached are NaN.

    Attributes
    ----------
    train_accuracy, train_loss
        float64 `[n, epochs]`: means over the batches of an epoch, as the networks were while they learnt;
        accuracies are fractions, losses mean cross entropies in nats.
    valid_accuracy, valid_loss, test_accuracy, test_loss
        float64 `[n, epochs]`: after every epoch, over the whole split; NaN where a split is empty.
    train_seconds, eval_seconds
        float64 `[n, epochs]`: processor seconds (on a CPU) or wall seconds (elsewhere) of the epoch's
        training, and of its evaluations. Networks that trained together share theirs in equal parts.
    peak_bytes
        int64 `[n]`: most device memory at any time, shared in equal parts; -1 where it is not known.
    failures
        Why a training ended before its last epoch; empty where it did not.
    """

    train_accuracy: NDArray[np.float64]
    train_loss: NDArray[np.float64]
    valid_accuracy: NDArray[np.float64]
    valid_loss: NDArray[np.float64]
    test_accuracy: NDArray[np.float64]
    test_loss: NDArray[np.float64]
    train_seconds: NDArray[np.float64]
    eval_seconds: NDArray[np.float64]
    peak_bytes: NDArray[np.int64]
    failures: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.failures)

    @classmethod
    def empty(cls, n: int, epochs: int) -> "LearningCurves":
        """Return curves of which nothing is known yet, to be filled in."""
        names = [field.name for field in fields(cls) if field.name not in ("peak_bytes", "failures")]
        arrays: dict[str, Any] = {name: np.full((n, epochs), np.nan) for name in names}
        return cls(**arrays, peak_bytes=np.full(n, -1, dtype=np.int64), failures=("",) * n)

    @classmethod
    def concatenate(cls, parts: "list[LearningCurves]") -> "LearningCurves":
        """Return the curves of all parts, in order."""
        arrays = {
            field.name: np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(cls)
            if field.name != "failures"
        }
        return cls(**arrays, failures=tuple(failure for part in parts for failure in part.failures))

    def take(self, rows: NDArray[np.intp]) -> "LearningCurves":
        """Return the curves of some rows."""
        arrays = {
            field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "failures"
        }
        return LearningCurves(**arrays, failures=tuple(self.failures[row] for row in rows))
