"""Names of tasks as headings of tables and axes can bear them."""

from collections.abc import Sequence


def short_names(tasks: Sequence[str]) -> list[str]:
    """Return each task without its benchmark (`graph/cora` is `cora`), whole where two would be the same."""
    short = [task.partition("/")[2] or task for task in tasks]
    return [name if short.count(name) == 1 else task for name, task in zip(short, tasks, strict=True)]
