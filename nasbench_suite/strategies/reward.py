"""What a strategy maximises: validation quality, perhaps less a price for complexity."""

import ast
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.benchmark import Evaluations
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


def _is_plain(number: int | float) -> bool:
    """Tell whether a constant is a number of sane size; True and False are none."""
    return not isinstance(number, bool) and abs(number) < _LARGEST_NUMBER


class Reward:
    """A formula over metrics, such as `valid - 0.02 * log(params_millions)`.

    Parameters
    ----------
    formula
        Numbers, metric names (`valid` for the metric that steers the search), `+ - * / **`, parentheses,
        `log`, `sqrt` and `exp`. Empty: the validation metric in its own direction.

    Attributes
    ----------
    metrics
        The names in the formula other than `valid`: what a query has to bring.

    Raises
    ------
    NasbenchSuiteError
        When the formula holds anything else. It is never executed as Python.
    """

    def __init__(self, formula: str = ""):
        self.formula = formula
        self.metrics: tuple[str, ...] = ()
        if not formula:
            return
        if len(formula) > _MOST_CHARACTERS:
            raise NasbenchSuiteError(f"the reward is longer than {_MOST_CHARACTERS} characters; shorten it.")
        try:
            tree = ast.parse(formula, mode="eval").body
        except SyntaxError as problem:
            raise NasbenchSuiteError(f"reward {formula!r} is no formula: {problem.msg}.") from problem
        except (ValueError, RecursionError, MemoryError, OverflowError) as problem:
            raise NasbenchSuiteError("the reward is no formula that a person would write.") from problem
        names = self._check(tree)
        if "valid" not in names:
            raise NasbenchSuiteError(
                f"reward {formula!r} does not use valid, the metric that is searched for."
            )
        self.metrics = tuple(sorted(names - {"valid"}))

    def __call__(self, evaluations: Evaluations) -> _Values:
        """Return the reward of every evaluation, float64 `[n]`; minus infinity where it is not a number."""
        if not self.formula:
            return evaluations.score()
        with np.errstate(all="ignore"):
            value = self._value(ast.parse(self.formula, mode="eval").body, evaluations)
        return np.where(np.isnan(value), -np.inf, value)

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
        part = ast.get_source_segment(self.formula, node)
        raise NasbenchSuiteError(
            f"reward {self.formula!r}: {part!r} is not allowed; use numbers, metric names, + - * / **, "
            f"parentheses and {', '.join(_FUNCTIONS)}."
        )

    def _value(self, node: ast.expr, evaluations: Evaluations) -> _Values:
        match node:
            case ast.Constant(value=number):
                return np.float64(number)  # type: ignore[return-value, arg-type]  # broadcasts
            case ast.Name(id="valid"):
                return evaluations.valid
            case ast.Name(id=name):
                return evaluations.info[name]
            case ast.BinOp(left=left, op=op, right=right):
                return _OPERATORS[type(op)](self._value(left, evaluations), self._value(right, evaluations))
            case ast.UnaryOp(operand=operand):
                return -self._value(operand, evaluations)
            case ast.Call(func=ast.Name(id=function), args=[argument]):
                return _FUNCTIONS[function](self._value(argument, evaluations))
        raise AssertionError(f"unchecked node {node!r}")
