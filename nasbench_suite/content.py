"""Finds the content folders (`tabular`, `surrogates`, `strategies`, `leaderboards`) and the user's data.

The content lies in `$NASBENCH_SUITE_CONTENT`, else at the top of the checkout, else inside the wheel.
"""

import os
from pathlib import Path

from nasbench_suite.errors import NasbenchSuiteError

CONTENT_FOLDERS = ("tabular", "surrogates", "strategies", "leaderboards")


def content_root() -> Path:
    """Return the folder that holds the four content folders.

    Raises
    ------
    NasbenchSuiteError
        When `NASBENCH_SUITE_CONTENT` names a folder without them.
    """
    named = os.environ.get("NASBENCH_SUITE_CONTENT")
    package = Path(__file__).resolve().parent
    candidates = [Path(named)] if named else [package.parent, package / "_content"]
    for candidate in candidates:
        if all((candidate / folder).is_dir() for folder in CONTENT_FOLDERS):
            return candidate
    raise NasbenchSuiteError(
        f"the content folders {', '.join(CONTENT_FOLDERS)} are not in {candidates[-1]}; "
        "set NASBENCH_SUITE_CONTENT to the folder that holds them, or install the package again."
    )


def data_root() -> Path:
    """Return the folder for converted and imported data: `$NASBENCH_SUITE_DATA` or the user's data folder."""
    named = os.environ.get("NASBENCH_SUITE_DATA")
    if named:
        return Path(named)
    from platformdirs import user_data_path

    return user_data_path("nasbench-suite", appauthor=False)
