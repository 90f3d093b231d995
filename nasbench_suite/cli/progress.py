"""How far a command is: a bar on a terminal, a line every few minutes in the log of one that has none."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining

from nasbench_suite.cli.output import note

Advance = Callable[[int, int], None]
_SECONDS_BEFORE_BAR = 2.0
_SECONDS_BETWEEN_LINES = 300.0


@contextmanager
def progress(what: str, quiet: bool) -> Iterator[Advance]:
    """Yield a function of (done, all) that shows how far the work is.

    On a terminal that is a bar, once it has taken two seconds; elsewhere a line every five minutes on the
    error stream. Quiet: nothing.
    """
    console = Console(stderr=True)
    if quiet:
        yield lambda done, total: None
    elif console.is_terminal:
        with _bar(what, console) as advance:
            yield advance
    else:
        yield Lines(what)


class Lines:
    """Prints a line when enough time has passed since the last one."""

    def __init__(self, what: str):
        self.what = what
        self.began = self.last = monotonic()
        self.first: tuple[int, float] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Take how much is done, and of how much."""
        now = monotonic()
        if self.first is None:
            self.first = done, now  # perhaps an earlier command has done most of it
        if now - self.last < _SECONDS_BETWEEN_LINES or done >= total:
            return
        self.last = now
        took, left = _clock(now - self.began), self._left(done, total, now)
        note(f"{self.what}: {done:,} of {total:,} after {took}{left}")

    def _left(self, done: int, total: int, now: float) -> str:
        before, at = self.first or (0, self.began)
        return (
            f", about {_clock((now - at) * (total - done) / (done - before))} left" if done > before else ""
        )


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def _bar(what: str, console: Console) -> Iterator[Advance]:
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        Remaining(),
        console=console,
        transient=True,
    )
    task = bar.add_task(what, total=None)
    # A timer, since the first piece of work may itself take long.
    timer = threading.Timer(_SECONDS_BEFORE_BAR, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield lambda done, total: bar.update(task, completed=done, total=total)
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()
