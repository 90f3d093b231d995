"""What commands print: tables for people, JSON for programs, remarks and errors on the error stream."""

import json
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.table import Table

from nasbench_suite.errors import NasbenchSuiteWarning

INTERRUPTED = 130

Json = typer.Option(False, "--json", help="Print JSON instead of a table.")
Quiet = typer.Option(False, "--quiet", "-q", help="Do not show how far it is.")
Jobs = typer.Option(
    0, "--jobs", "-j", min=0, help="Worker processes; 0 for one per core.", show_default=False
)


def complain(sentence: str) -> None:
    """Print an error sentence on the error stream."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(f"[bold red]error:[/] {_plain(sentence)}")


def note(sentence: str) -> None:
    """Print a remark on the error stream, so that it does not mix with data."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(_plain(sentence))


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of the suite as a sentence, any other as Python does: for `warnings.showwarning`."""
    if issubclass(category, NasbenchSuiteWarning):
        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print(f"[bold yellow]warning:[/] {_plain(str(message))}")
    else:
        print(
            warnings.formatwarning(message, category, filename, lineno, line), file=file or sys.stderr, end=""
        )


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def print_json(data: Any) -> None:
    """Print JSON on the output stream."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def print_table(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str = "",
    left: int = 1,
) -> None:
    """Print a table; the first `left` columns are text, the others numbers.

    Into a pipe or file it is as wide as it needs to be.
    """
    table = Table(
        title=title or None,
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
        show_header=any(headings),
    )
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(_plain, row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    console.print(table)


@contextmanager
def interruptible(kept: str) -> Iterator[None]:
    """Turn Ctrl-C into a remark that says what was kept, and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        note(f"interrupted; {kept}")
        raise typer.Exit(INTERRUPTED) from None
