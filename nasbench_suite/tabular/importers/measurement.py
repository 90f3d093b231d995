"""A number out of a foreign pickle: Python's, or an array of one."""

from typing import Any

import numpy as np

_MOST_CHARACTERS_SHOWN = 60


def as_number(value: Any) -> float:
    """Return the number that a pickle holds.

    Raises
    ------
    ValueError
        When it is none, or too large for a double; the message is a clause for an error.
    """
    plain = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    if type(plain) not in (int, float):  # a bool is an int, but no measurement
        raise ValueError(f"{_quoted(plain)} is no number")
    try:
        return float(plain)
    except OverflowError:
        raise ValueError("a number is too large") from None


def _quoted(value: Any) -> str:
    """Show a value if it is a plain one; anything else may be endless to show."""
    if isinstance(value, str):
        return repr(value[:_MOST_CHARACTERS_SHOWN])
    return repr(value) if value is None or isinstance(value, bool) else f"a {type(value).__name__}"
