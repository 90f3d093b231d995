"""The documentation site: pages of all cards, and a build without a warning."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nasbench_suite.strategies.card import strategy_cards
from nasbench_suite.tabular.datasheet import datasheets

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hook():
    pytest.importorskip("mkdocs", reason="MkDocs is not installed")
    spec = importlib.util.spec_from_file_location("card_pages", ROOT / "docs" / "card_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_card_has_a_page_with_all_that_it_says(hook):
    pages = hook.pages()
    for name, card in strategy_cards().items():
        page = pages[f"strategies/{name}.md"]
        assert page.startswith(f"# {card.title}\n")
        for line in card.deviations:
            assert f"\n- {line}" in page
        rows = [line for line in page.splitlines() if line.startswith("| `")]
        assert len(rows) == len(card.hyperparameters)
        assert f"({name}.md)" in pages["strategies/index.md"]
    assert pages["limits.md"].count("\n- ") > 8
    for name, sheet in datasheets().items():
        page = pages[f"benchmarks/{name}.md"]
        for line in sheet.defects:
            assert f"\n- {line}" in page
        for task in map(sheet.task, sheet.tasks):
            assert f"| `{task}` |" in page
        assert f"({name}.md)" in pages["benchmarks/index.md"]


def test_the_site_is_built_without_a_warning(hook, tmp_path):
    out = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(out)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    text = (out / "reference.html").read_text()
    for name in ("search", "load_benchmark", "SingleRunStrategy", "architecture_env"):
        assert name in text
    assert "Wilcoxon" in (out / "limits.html").read_text()
    guide = (out / "guides" / "gans.html").read_text()
    figures = re.findall(r'src="(\.\./figures/[^"]+)"', guide)
    assert len(figures) == 2
    assert all((out / "guides" / figure).is_file() for figure in figures)
    assert "datasheet.toml" not in guide  # what is no page is no link
    assert (out / "strategies" / "autogan.html").is_file()
    assert (out / "benchmarks" / "gan-mnist1d.html").is_file()


def test_the_page_of_drills_is_that_of_their_results():
    done = subprocess.run(
        [sys.executable, "-c", "import page; print(page.page(), end='')"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT / "tests" / "drills",
    )
    assert (ROOT / "docs" / "drills.md").read_text() == done.stdout
