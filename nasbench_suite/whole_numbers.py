"""Whole numbers as users give them: Python's own, or NumPy's, which scripts have from ranges and arrays."""

from numbers import Integral

from nasbench_suite.errors import NasbenchSuiteError


def whole_number(value: object, what: str, least: int) -> int:
    """Return a number as Python's own int.

    Raises
    ------
    NasbenchSuiteError
        When it is no whole number, or less than `least`; says `what` it is of.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise NasbenchSuiteError(f"{what} must be a whole number of at least {least}, not {value!r}.")
    return int(value)
