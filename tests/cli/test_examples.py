"""Every command that helps and documents show can be typed: what it says is parsed, and not carried out."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from nasbench_suite.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def commands(group, path=()):
    """Yield every command with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(get_command(app)))


def typed(text):
    """Return the commands in a text, each as words; a line that ends with a backslash goes on."""
    joined = re.sub(r"\\\n\s*", "", text)
    return [
        shlex.split(line, comments=True)
        for line in re.findall(r"^\s*(nasbench-suite .*)", joined, re.MULTILINE)
    ]


def parse(words):
    if "|" in words:  # into another program
        words = words[: words.index("|")]
    path = next(path for path in COMMANDS if tuple(words[1 : 1 + len(path)]) == path)
    COMMANDS[path].make_context(" ".join(path), words[1 + len(path) :])


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_has_examples_that_can_be_typed(path):
    examples = typed(COMMANDS[path].callback.__doc__)
    assert any(tuple(words[1 : 1 + len(path)]) == path for words in examples)
    for words in examples:
        parse(words)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_can_be_typed(document):
    shown = re.findall(
        r"^```(?:sh|)\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    for words in typed("".join(shown)):
        parse(words)


def test_an_option_that_is_not_there_cannot_be_typed():
    (words,) = typed("nasbench-suite query graph/cora \\\n  0122:fc,gat,gcn,graph --epoch 3  # a remark\n")
    with pytest.raises(Exception, match=r"No such option.*--epoch"):
        parse(words)
