"""How far a command is, where there is no terminal: lines in a log, their times worked out by hand."""

import pytest

from nasbench_suite.cli import progress as module
from nasbench_suite.cli.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets: `clock[0]` in seconds."""
    now = [1000.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_a_log_has_a_line_every_five_minutes(clock, capsys):
    with progress("training", quiet=False) as advance:
        advance(120, 3200)  # of before
        for done in range(121, 3201):
            clock[0] += 10
            advance(done, 3200)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "training: 150 of 3,200 after 0:05:00, about 8:28:20 left"
    assert lines[1] == "training: 180 of 3,200 after 0:10:00, about 8:23:20 left"
    assert len(lines) == 3080 // 30


def test_nothing_is_said_of_what_is_left_before_anything_was_done(clock, capsys):
    with progress("training", quiet=False) as advance:
        clock[0] += 400
        advance(3, 10)
        clock[0] += 299
        advance(4, 10)
        clock[0] += 1
        advance(5, 10)
    assert capsys.readouterr().err.splitlines() == [
        "training: 3 of 10 after 0:06:40",
        "training: 5 of 10 after 0:11:40, about 0:12:30 left",
    ]


def test_what_is_quiet_or_short_says_nothing(clock, capsys):
    for quiet, seconds in ((True, 3600), (False, 299)):
        with progress("training", quiet=quiet) as advance:
            clock[0] += seconds
            advance(1, 2)
    with progress("training", quiet=False) as advance:
        clock[0] += 3600
        advance(2, 2)  # its own lines follow
    assert capsys.readouterr().err == ""
