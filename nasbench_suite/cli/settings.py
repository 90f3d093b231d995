"""Hyperparameters as the command line takes them."""

import tomllib
from collections.abc import Sequence

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.strategies.card import Setting


def parse_settings(texts: Sequence[str]) -> dict[str, Setting]:
    """Read `key=value` texts; a value as TOML, or as text where it is none.

    Raises
    ------
    NasbenchSuiteError
        When a text has another form.
    """
    return dict(map(_setting, texts))


def _setting(text: str) -> tuple[str, Setting]:
    """Read `key=value`; the value as TOML, or as text where it is none."""
    key, equals, value = text.partition("=")
    if not equals:
        raise NasbenchSuiteError(f"--set takes KEY=VALUE, not {text!r}.")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    return key.strip(), parsed
