"""What is asked of a data set."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """Which data set, from where, and how much of it.

    Attributes
    ----------
    name
        What `load_data` was called with.
    root
        Where its files are, if the user says so.
    train, valid, test
        How many inputs of each part; `None` for all that the protocol gives it.
    seed
        What generated data, or the choice of a part's inputs, are drawn with.
    size
        To how many pixels square images are scaled, where they may be scaled.
    split
        A split file in the form of NAS-Bench-201, where the protocol has one.
    """

    name: str
    root: Path | None = None
    train: int | None = None
    valid: int | None = None
    test: int | None = None
    seed: int = 42
    size: int | None = None
    split: Path | None = None
