"""Arithmetic that users write as text: parsed, checked and computed, never executed as Python."""

import ast
import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError

_Values = NDArray[np.float64]
_LARGEST_NUMBER = 1e300
_MOST_CHARACTERS = 1000
_FUNCTIONS: dict[str, Callable[[_Values], _Values]] = {"log": np.log, "sqrt": np.sqrt, "exp": np.exp}
_OPERATORS: dict[type[ast.operator], Callable[[_Values, _Values], _Values]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}
_COST = re.compile(r"[A-Za-z_]\w*@\w+")
"""The name of a device's cost, such as `latency_ms@raspi4`, which is no name to Python."""
_PLACEHOLDER = "_cost_{}_"


def _is_plain(number: int | float) -> bool:
    """Tell whether a constant is a number of sane size; True and False are none."""
    return not isinstance(number, bool) and abs(number) < _LARGEST_NUMBER


class Formula:
    """Arithmetic over named arrays, such as `train_seconds * 12 / 200`.

    Parameters
    ----------
    text
        Numbers, names (also `latency_ms@raspi4`), `+ - * / **`, parentheses, `log`, `sqrt` and `exp`.
    what
        What errors call it: `reward`, `column`.
    names
        What errors call the names in it: `metric names`, `column names`.

    Attributes
    ----------
    names
        The names in the formula.

    Raises
    ------
    NasbenchSuiteError
        When the text holds anything else.
    """

    def __init__(self, text: str, what: str = "formula", names: str = "names"):
        self.text = text
        self._what = what
        self._kind_of_names = names
        if len(text) > _MOST_CHARACTERS:
            raise NasbenchSuiteError(f"the {what} is longer than {_MOST_CHARACTERS} characters; shorten it.")
        self._costs = {
            _PLACEHOLDER.format(number): cost for number, cost in enumerate(sorted(set(_COST.findall(text))))
        }
        self._code = _COST.sub(lambda match: self._placeholder(match[0]), text)
        self.names = frozenset(self._costs.get(name, name) for name in self._check(self._tree()))

    def _placeholder(self, cost: str) -> str:
        return next(name for name, known in self._costs.items() if known == cost)

    def _tree(self) -> ast.expr:
        # Parsed anew when it is computed, since a tree cannot be sent to another process.
        try:
            return ast.parse(self._code, mode="eval").body
        except SyntaxError as problem:
            raise NasbenchSuiteError(f"{self._what} {self.text!r} is no formula: {problem.msg}.") from problem
        except (ValueError, RecursionError, MemoryError, OverflowError) as problem:
            raise NasbenchSuiteError(
                f"the {self._what} is no formula that a person would write."
            ) from problem

    def __call__(self, values: Mapping[str, _Values]) -> _Values:
        """Compute it: float64 of the shape that the values of its names have; NaN where undefined."""
        with np.errstate(all="ignore"):
            named = {name: values[cost] for name, cost in self._costs.items()}
            return _compute(self._tree(), {**values, **named})

    def _check(self, node: ast.expr) -> set[str]:
        match node:
            case ast.Constant(value=int() | float() as number) if _is_plain(number):
                return set()
            case ast.Name(id=name):
                return {name}
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return self._check(left) | self._check(right)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._check(operand)
            case ast.Call(func=ast.Name(id=function), args=[argument], keywords=[]) if function in _FUNCTIONS:
                return self._check(argument)
        part = ast.get_source_segment(self._code, node)
        for name, cost in self._costs.items():
            part = part.replace(name, cost) if part else part
        raise NasbenchSuiteError(
            f"{self._what} {self.text!r}: {part!r} is not allowed; use numbers, {self._kind_of_names}, "
            f"+ - * / **, parentheses and {', '.join(_FUNCTIONS)}."
        )


def _compute(node: ast.expr, values: Mapping[str, _Values]) -> _Values:
    match node:
        case ast.Constant(value=number):
            return np.float64(number)  # type: ignore[return-value, arg-type]  # broadcasts
        case ast.Name(id=name):
            return values[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_compute(left, values), _compute(right, values))
        case ast.UnaryOp(operand=operand):
            return -_compute(operand, values)
        case ast.Call(func=ast.Name(id=function), args=[argument]):
            return _FUNCTIONS[function](_compute(argument, values))
    raise AssertionError(f"unchecked node {node!r}")
