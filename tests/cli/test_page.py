"""The page of a board in headless Chromium: it works offline, sorts, and logs no error."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nasbench_suite.leaderboards.render import write_pages
from nasbench_suite.leaderboards.results import load_board
from nasbench_suite.leaderboards.rules import leaderboard_folders

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NAME = "nas-bench-graph"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian's package chromium)")

CLICK = """
<script>
const header = [...document.querySelectorAll("#ranking thead th")].find(h => h.textContent.includes(%r));
for (let i = 0; i < %d; i++) header.querySelector("button").click();
const rows = [...document.querySelectorAll("#ranking tbody tr")];
document.title = rows.map(row => row.cells[0].textContent).join(",");
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_pages(load_board(leaderboard_folders()[NAME] / "results.h5"), folder, NAME)
    return folder / "board.html"


def opened(page: Path, profile: Path) -> tuple[str, str]:
    """Return the document after its scripts ran, and what the browser logged."""
    done = subprocess.run(
        [
            CHROMIUM,
            *"--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking".split(),
            *"--disable-component-update --disable-sync --enable-logging=stderr --v=0 --dump-dom".split(),
            f"--user-data-dir={profile}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
    )
    return done.stdout, done.stderr


def order(page: Path, tmp_path: Path, column: str, clicks: int) -> list[str]:
    clicked = tmp_path / "clicked.html"
    clicked.write_text(page.read_text().replace("</body>", CLICK % (column, clicks) + "</body>"))
    document, _ = opened(clicked, tmp_path / "profile")
    (title,) = re.findall(r"<title>(.*?)</title>", document)
    return [label.rstrip("†") for label in title.split(",")]


def test_page_opens_without_console_messages(page, tmp_path):
    document, log = opened(page, tmp_path / "profile")
    assert 'data-ready="yes"' in document
    assert "CONSOLE" not in log


def test_page_asks_for_nothing_outside_itself(page):
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page.read_text())


def test_table_sorts_by_a_column_both_ways(page, tmp_path):
    board = load_board(leaderboard_folders()[NAME] / "results.h5")
    by_proteins = sorted(board.labels, key=lambda s: board.summaries["graph/proteins"][s].test_regret.mean)
    ascending = order(page, tmp_path, "proteins", 1)
    assert ascending == by_proteins
    assert ascending != board.by_rank()
    assert order(page, tmp_path, "proteins", 2) == by_proteins[::-1]


def test_table_sorts_by_name(page, tmp_path):
    names = order(page, tmp_path, "strategy", 1)
    assert names == sorted(names)
