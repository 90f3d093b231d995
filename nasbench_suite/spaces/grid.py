"""Hyperparameters with a few values each: a space that its name describes, `grid(lr=0.1|0.2,batch=32|64)`."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, NasbenchSuiteError
from nasbench_suite.spaces.base import Genes
from nasbench_suite.spaces.categorical import CategoricalSpace

_NAME = re.compile(r"grid\((.*)\)")
_WORD = re.compile(r"[^\s=|,()*]+")
_MOST_VALUES, _MOST_ROWS = 255, 2**24


class GridSpace(CategoricalSpace):
    """Gene `i` is a place among the values of the `i`-th hyperparameter.

    Parameters
    ----------
    values
        By name of the hyperparameter, each as it is written; no blanks, and none of `=|,()*`.

    Attributes
    ----------
    values
        The same.
    """

    def __init__(self, values: Mapping[str, Sequence[str]]):
        self.values = {name: tuple(words) for name, words in values.items()}
        text = ",".join(f"{name}={'|'.join(words)}" for name, words in self.values.items())
        _check(self.values, text)
        super().__init__(f"grid({text})", tuple(map(len, self.values.values())))

    @classmethod
    def of_name(cls, name: str) -> "GridSpace":
        """Return the space that a name describes.

        Raises
        ------
        NasbenchSuiteError
            When it has another form.
        """
        found = _NAME.fullmatch(name)
        parts = [part.partition("=") for part in found[1].split(",")] if found else []
        if not parts or len({part[0] for part in parts}) < len(parts):
            raise NasbenchSuiteError(
                f"space {name!r} has another form than grid(NAME=VALUE|VALUE,NAME=VALUE|VALUE)."
            )
        return cls({key: words.split("|") for key, _, words in parts})

    @cached_property
    def numbers(self) -> dict[str, NDArray[np.float64]]:
        """The values of each hyperparameter as numbers, where all of them are such."""
        found = {}
        for name, words in self.values.items():
            try:
                found[name] = np.array([float(word) for word in words])
            except ValueError:
                continue
        return found

    def _representatives(self) -> NDArray[np.int32]:
        return np.arange(self.n_codes, dtype=np.int32)

    def parse(self, text: str) -> Genes:
        """Read `lr=0.1 batch=32`, the hyperparameters in their order."""
        words = text.split()
        if [word.partition("=")[0] for word in words] != list(self.values):
            example = self.format(np.zeros((1, self.n_genes), dtype=np.uint8))[0]
            raise ArchitectureError(f"{text!r} must name {', '.join(self.values)}, for example {example}.")
        places = [self._place(text, *word.split("=", 1)) for word in words]
        return np.array(places, dtype=np.uint8)

    def _place(self, text: str, name: str, value: str) -> int:
        known = self.values[name]
        if value in known:
            return known.index(value)
        if name in self.numbers:
            try:
                same = np.flatnonzero(self.numbers[name] == float(value))
            except ValueError:
                same = np.zeros(0, dtype=np.intp)
            if len(same):
                return int(same[0])
        raise ArchitectureError(f"{text!r}: {name} is one of {', '.join(known)}, not {value}.")

    def format(self, genes: Genes) -> list[str]:
        """Write every row as `lr=0.1 batch=32`."""
        self.encode(genes)
        named = list(self.values.items())
        return [
            " ".join(f"{name}={words[place]}" for (name, words), place in zip(named, row, strict=True))
            for row in genes.tolist()
        ]


def _check(values: Mapping[str, Sequence[str]], text: str) -> None:
    for name, words in values.items():
        wrong = [word for word in (name, *words) if not _WORD.fullmatch(word)]
        if wrong or not words or len(set(words)) < len(words):
            raise NasbenchSuiteError(
                f"hyperparameter {name!r} of space grid({text}) needs a name and different values of one "
                f"word each, without =|,()*{f'; not {wrong[0]!r}' if wrong else ''}."
            )
        if len(words) > _MOST_VALUES:
            raise NasbenchSuiteError(
                f"hyperparameter {name} has {len(words)} values; a gene has at most {_MOST_VALUES}."
            )
    rows = np.prod([float(len(words)) for words in values.values()])
    if rows > _MOST_ROWS:
        raise NasbenchSuiteError(f"{rows:.3g} settings are too many for a grid; there may be {_MOST_ROWS:,}.")
