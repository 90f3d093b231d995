"""Errors whose message is meant for the person at the keyboard.

Every error that a user can cause or mend is a `NasbenchSuiteError`: one sentence that names what is
wrong and what to do. The command line prints it and exits with code 2.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class NasbenchSuiteError(Exception):
    """What was asked for cannot be done; the message says why and what to do."""


class NasbenchSuiteWarning(UserWarning):
    """What a user should know although all goes on; the message is a sentence, which commands print."""


def shorten(text: str, most: int = 100) -> str:
    """Return the text, its middle left out where it is longer than a sentence bears."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 4 :]}"


def _shown(name: str) -> str:
    """Return a name as a sentence can bear it; names come from users' files, too."""
    return shorten(name if name.isprintable() else repr(name))


class UnknownNameError(NasbenchSuiteError):
    """A name that nothing answers to; the message lists the nearest names."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known, name = sorted(set(known)), shorten(name)  # two kinds may share a name
        near = get_close_matches(name, known, n=3, cutoff=0.5)
        hint = (
            f"did you mean {' or '.join(map(_shown, near))}?"
            if near
            else f"known: {shorten(', '.join(map(_shown, known)), 600) or 'none'}."
        )
        super().__init__(f"there is no {kind} {name!r}; {hint}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how it comes back from a worker process: with its message, which needs no argument twice."""
        return _with_message, (type(self), *self.args)


def _with_message(kind: type[UnknownNameError], message: str) -> UnknownNameError:
    error = kind.__new__(kind, message)
    error.args = (message,)
    return error


class ArchitectureError(NasbenchSuiteError, ValueError):
    """Genes or a text that are no architecture of the space."""


class DamagedFileError(NasbenchSuiteError):
    """A file that is truncated, corrupt, of another version or not what it claims to be."""
