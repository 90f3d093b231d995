"""The page of a board in headless Chromium: it works offline, sorts, and logs no error."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from nasbench_suite.leaderboards.render import write_pages
from nasbench_suite.leaderboards.results import load_board
from nasbench_suite.leaderboards.rules import leaderboard_folders
from nasbench_suite.leaderboards.site import write_site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NAME = "nas-bench-graph"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian's package chromium)")

CLICK = """
const header = [...document.querySelectorAll("#ranking thead th")].find(h => h.textContent.includes(%r));
for (let i = 0; i < %d; i++) header.querySelector("button").click();
const rows = [...document.querySelectorAll("#ranking tbody tr")];
document.title = rows.map(row => row.cells[0].textContent).join(",");
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
            "--virtual-time-budget=10000",
            *"--disable-component-update --disable-sync --enable-logging=stderr --v=0 --dump-dom".split(),
            f"--user-data-dir={profile}",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=90,
    )
    return done.stdout, done.stderr


def title_after(page: Path, tmp_path: Path, script: str) -> str:
    """Return the title that a script leaves, once it is added to the page."""
    changed = tmp_path / "changed.html"
    body, _, rest = page.read_text().rpartition("</body>")  # Vega's script has the word, too
    changed.write_text(f"{body}<script>{script}</script></body>{rest}")
    document, log = opened(changed, tmp_path / "profile")
    assert not [line for line in log.splitlines() if "CONSOLE" in line]
    (title,) = re.findall(r"<title>(.*?)</title>", document)
    return title


def order(page: Path, tmp_path: Path, column: str, clicks: int) -> list[str]:
    title = title_after(page, tmp_path, CLICK % (column, clicks))
    return [label.rstrip("†") for label in title.split(",")]


def test_page_opens_without_console_messages(page, tmp_path):
    document, log = opened(page, tmp_path / "profile")
    assert 'data-ready="yes"' in document
    assert "CONSOLE" not in log


def test_page_asks_for_nothing_outside_itself(page):
    markup = re.sub(r"<script.*?</script>", "", page.read_text(), flags=re.DOTALL)
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", markup)
    assert "<script src" not in page.read_text()


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


FILTER = """
drawAll().then(async () => {
  const lines = () => document.querySelectorAll("#curve-chart .mark-line path").length;
  const rows = () => [...document.querySelectorAll("#ranking tbody tr")].filter(row => !row.hidden).length;
  const before = [lines(), rows()];
  filter.value = "LOCAL";
  filter.dispatchEvent(new Event("input"));
  await drawAll();
  document.title = [...before, lines(), rows(), document.querySelector("#filtered").textContent].join(";");
});
"""


def test_strategies_are_filtered_in_tables_and_charts(page, tmp_path):
    board = load_board(leaderboard_folders()[NAME] / "results.h5")
    n, left = len(board.labels), sum("local" in label for label in board.labels)
    assert 0 < left < n
    assert title_after(page, tmp_path, FILTER) == f"{n};{n};{left};{left};{left} of {n} strategies"


CHOOSE = """
drawAll().then(async () => {
  choices.task.value = "graph/arxiv";
  choices.kind.value = "valid_regret_curve";
  choices.axes.value = "linear-linear";
  await drawCurves();
  const chart = document.querySelector("#curve-chart svg");
  const ticks = [...chart.querySelectorAll(".role-axis-label text")].map(tick => tick.textContent);
  const named = document.querySelector("#curve-chart [aria-label]");
  document.title = [named.getAttribute("aria-label"), ticks.join(" ")].join(";");
});
"""


def test_task_curve_and_axes_can_be_chosen(page, tmp_path):
    label, _, ticks = title_after(page, tmp_path, CHOOSE).partition(";")
    assert "validation regret by evaluations on graph/arxiv" in label
    numbers = [float(tick.replace(",", "")) for tick in ticks.split() if tick[0].isdigit()]
    assert {0, 100, 200, 300, 400, 500} <= set(numbers)  # a linear axis of 500 evaluations


HOVER = """
drawAll().then(async () => {
  const svg = document.querySelector("#curve-chart svg");
  const points = [...svg.querySelectorAll(".mark-symbol.role-mark path")];
  const mark = points[Math.floor(points.length / 2)], place = mark.getBoundingClientRect();
  const at = {bubbles: true, clientX: place.x + place.width / 2, clientY: place.y + place.height / 2};
  for (const kind of ["pointerover", "pointermove", "mouseover", "mousemove"]) {
    mark.dispatchEvent(new PointerEvent(kind, at));
  }
  await new Promise(done => setTimeout(done, 200));
  const tip = document.querySelector("#vg-tooltip-element");
  document.title = tip ? tip.textContent.replaceAll("\\n", " ") : "no tooltip";
});
"""


def test_hovering_a_curve_shows_its_numbers(page, tmp_path):
    text = title_after(page, tmp_path, HOVER)
    for part in ("strategy", "at", "regret", "from", "to"):
        assert part in text
    board = load_board(leaderboard_folders()[NAME] / "results.h5")
    assert any(label in text for label in board.labels)


FRONT = """
drawAll().then(async () => {
  choices.task.value = "graph/arxiv";
  await drawFront();
  const costs = [...cost.options].map(option => option.value);
  const highest = () => Math.max(...[...document.querySelectorAll("#front-chart .role-axis-label text")]
    .map(tick => parseFloat(tick.textContent)));
  const lowest = () => Math.min(...[...document.querySelectorAll("#front-chart .role-axis-label text")]
    .map(tick => parseFloat(tick.textContent)).filter(value => value > 20));
  cost.value = "params_millions";
  const close = [highest(), lowest()];
  view.value = "all";
  await drawFront();
  const label = document.querySelector("#front-chart [aria-label]").getAttribute("aria-label");
  document.title = [costs.join(" "), label, lowest() < close[1], cost.value].join(";");
});
"""


def test_results_over_costs_can_be_looked_at_closely_and_whole(page, tmp_path):
    costs, label, wider, chosen = title_after(page, tmp_path, FRONT).split(";")
    assert costs == "latency_seconds params_millions"
    assert label.startswith("Test result over params_millions on graph/arxiv")
    assert wider == "true"  # the whole front begins with far worse cells
    assert chosen == "params_millions"


DOWNLOADS = """
Promise.all([...document.querySelectorAll(".downloads a")].map(async link => {
  const text = await (await fetch(link.href)).text();
  return `${link.download}:${text.split("\\n").length}`;
})).then(found => { document.title = found.join(";"); });
"""


def test_tables_can_be_taken_away(page, tmp_path):
    board = load_board(leaderboard_folders()[NAME] / "results.h5")
    n, tasks = len(board.labels), len(board.columns)
    csv, latex, markdown = title_after(page, tmp_path, DOWNLOADS).split(";")
    assert csv == f"{NAME}.csv:{1 + n * tasks + 1}"
    assert latex.startswith(f"{NAME}.tex:")
    assert markdown == f"{NAME}.md:{2 + n + 1}"


def test_what_was_found_is_drawn(page):
    text = page.read_text()
    assert text.count('<div class="cells">') == 1
    assert text.count(" runs.</figcaption>") == 9


def test_the_index_filters_boards(tmp_path):
    folders = [leaderboard_folders()[NAME].parent / name for name in ("hardware-help", "scaling")]
    index, *_ = write_site(tmp_path / "site", folders)
    script = """
    filter.value = "latency"; filter.dispatchEvent(new Event("input"));
    document.title = boards.filter(board => !board.hidden).length
      + ";" + document.querySelector("#filtered").textContent;
    """
    assert title_after(index, tmp_path, script) == "1;1 of 2"
