"""Reads foreign pickles without running anything that they name.

A pickle is a program; the harm it can do is through the globals that it looks up and the states that it sets
on what it gets. This reader admits the few constructors that a format needs, refuses every other one by name,
and hands out stand-ins that take no state but the one they expect. What a file claims about itself, how long
its values are, how many and how deep, is checked against its length before anything is built.
"""

import io
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nasbench_suite.errors import DamagedFileError
from nasbench_suite.foreign.pickle_depth import check
from nasbench_suite.foreign.pickle_stand_ins import (
    CONTAINERS,
    NUMPY,
    Constructor,
    Global,
    Meter,
    Metered,
    unwrap,
)

ADMITTED: Mapping[Global, Constructor] = {**CONTAINERS, **NUMPY}
"""What a pickle of Python containers, NumPy numbers and arrays of them needs."""


class RestrictedUnpickler(pickle.Unpickler):
    """The unpickler of the standard library, with no globals but the admitted ones.

    Texts that Python 2 wrote are decoded as Latin-1, which loses no byte.

    Parameters
    ----------
    content
        A pickle that `check` let pass.
    admitted
        The constructors by module and name.
    persistent
        What objects outside the pickle are looked up with; `None` refuses them.
    meter
        Counts what is made, over the several pickles of a file.
    """

    def __init__(
        self,
        content: bytes,
        admitted: Mapping[Global, Callable[..., Any]] = ADMITTED,
        persistent: Callable[[Any], Any] | None = None,
        meter: Meter | None = None,
    ):
        super().__init__(io.BytesIO(content), encoding="latin-1")
        self._admitted = admitted
        self._persistent = persistent
        self._meter = meter or Meter()
        self._meter.grant(len(content))

    def find_class(self, module: str, name: str) -> Any:
        """Return the admitted constructor of this name."""
        try:
            found = self._admitted[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None
        return found.bound(self._meter) if isinstance(found, Metered) else found

    def persistent_load(self, pid: Any) -> Any:
        """Return the object outside the pickle that `pid` names."""
        if self._persistent is None:
            raise pickle.UnpicklingError("it refers to objects outside the file")
        return self._persistent(pid)

    def read(self) -> Any:
        """Return the object, with arrays where stand-ins were."""
        value = self.load()
        return unwrap(value) if self._meter.arrays else value


@contextmanager
def refusing(source: str) -> Iterator[None]:
    """Turn what goes wrong in reading a pickle into a `DamagedFileError` that names `source`."""
    try:
        yield
    except pickle.UnpicklingError as problem:
        raise DamagedFileError(
            f"{source} is refused: {_sentence(problem)}. Nothing of it was run; use the official file."
        ) from problem
    except (
        EOFError,
        AttributeError,
        TypeError,
        ValueError,
        IndexError,
        KeyError,
        MemoryError,
        OverflowError,
        RecursionError,
    ) as problem:
        raise DamagedFileError(
            f"{source} is truncated or no pickle of this format; fetch the file again."
        ) from problem


def _sentence(problem: Exception) -> str:
    """Return the message in characters that can be shown; names come from the file, of any length."""
    text = "".join(character if character.isprintable() else "?" for character in str(problem)[:301])
    return text if len(text) <= 300 else text[:300] + "..."


def read_pickle(content: bytes, source: str, admitted: Mapping[Global, Callable[..., Any]] = ADMITTED) -> Any:
    """Return the object in `content`, built only from plain containers and the admitted constructors.

    NumPy numbers come as Python numbers, arrays as arrays of plain numbers with memory of their own, and an
    `OrderedDict` as a dictionary.

    Raises
    ------
    DamagedFileError
        When the pickle is truncated, asks for anything else or claims more than it holds; the message names
        what it is and `source`.
    """
    with refusing(source):
        check(content)
        return RestrictedUnpickler(content, admitted).read()
