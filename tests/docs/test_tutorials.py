"""The tutorials are run: files written, Python executed, commands given, in the order of the page."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nasbench_suite.cli.app import app

DOCS = Path(__file__).resolve().parents[2] / "docs"
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
TUTORIALS = sorted(path.name for path in (DOCS / "tutorials").glob("*.md"))


def blocks(page):
    """Return language, file and text of every fenced block of a page."""
    return [match.groups() for match in FENCE.finditer((DOCS / page).read_text(encoding="utf-8"))]


def given(command):
    """Give a command as a shell would; return what it printed."""
    words = shlex.split(command, comments=True)
    if words[0] != "nasbench-suite":
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout
    done = CliRunner().invoke(app, words[1:])
    assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception!r}"
    return done.output


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_runs_as_it_is_written(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    found = blocks(f"tutorials/{name}")
    assert any(language == "sh" for language, _, _ in found)
    for language, file, text in found:
        if file is not None:
            (tmp_path / file).write_text(text)
        elif language == "python":
            exec(compile(text, name, "exec"), {"__name__": "__main__"})
        else:
            assert language == "sh", f"a block of {name} is neither a file nor run: {language}"
            for command in text.strip().splitlines():
                given(command)
    if name == "reproduce-a-paper.md":
        assert "1 of 1 numbers agree" in (tmp_path / "board.md").read_text()


def test_the_first_page_shows_commands_that_work(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBENCH_SUITE_DATA", str(tmp_path / "data"))
    for language, _, text in blocks("index.md"):
        assert language == "sh"
        for command in text.strip().splitlines():
            assert given(command)
