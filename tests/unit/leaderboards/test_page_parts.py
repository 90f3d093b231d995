"""What a page is put together of: chart numbers, tables to take away, drawings of cells."""

import io
import itertools

import numpy as np
import pandas as pd
import pytest

from nasbench_suite import get_space
from nasbench_suite.leaderboards import vega
from nasbench_suite.leaderboards.cell_drawing import draw_cell
from nasbench_suite.leaderboards.charts import CURVES, chart_data, curve_chart, final_chart
from nasbench_suite.leaderboards.downloads import ranking_latex, ranking_markdown, results_csv
from nasbench_suite.leaderboards.found_cells import found_cells
from nasbench_suite.leaderboards.inline_code import inline_code
from nasbench_suite.leaderboards.render import html_page
from nasbench_suite.leaderboards.results import load_board
from nasbench_suite.leaderboards.rules import leaderboard_folders
from nasbench_suite.leaderboards.vega import vega_script


@pytest.fixture(scope="module")
def board():
    return load_board(leaderboard_folders()["nas-bench-graph"] / "results.h5")


def test_what_stands_in_backticks_is_code_and_nothing_else_is_markup():
    text = "Run `make <demo>`, *not* <b>that</b> & ![x](http://y/z.png)"
    assert inline_code(text) == (
        "Run <code>make &lt;demo&gt;</code>, *not* &lt;b&gt;that&lt;/b&gt; &amp; ![x](http://y/z.png)"
    )


def test_pages_show_no_backticks():
    board = load_board(leaderboard_folders()["eleven-tables"] / "results.h5")
    assert board.rules.summary.count("`") >= 4
    page = html_page(board, "eleven-tables")
    assert "<code>make demo</code>" in page
    assert "`" not in page[: page.index("<script")]


def test_chart_numbers_are_those_of_the_board(board):
    data = chart_data(board)
    assert set(data["curves"]) == set(data["finals"]) == set(board.columns)
    curve = data["curves"]["graph/arxiv"]["test_regret_curve"]
    assert curve["x"] == board.evaluations.tolist()
    for label, found in curve["strategies"].items():
        expected = board.summaries["graph/arxiv"][label].test_regret_curve
        assert np.allclose(found["mean"], 100 * expected.mean, rtol=1e-3)
        assert all(low <= high for low, high in zip(found["low"], found["high"], strict=True))
        assert np.allclose(found["low"], 100 * expected.low, rtol=1e-3)
        assert min(found["mean"]) > 0  # a logarithmic axis has no zero
    mean, low, high = data["finals"]["graph/cs"]["genetic"]
    regret = board.summaries["graph/cs"]["genetic"].test_regret
    assert [mean, low, high] == pytest.approx([100 * v for v in (regret.mean, regret.low, regret.high)], 1e-3)
    assert len(set(data["colours"].values())) == len(board.labels)


def test_a_task_without_costs_has_no_curve_over_seconds(board):
    assert all(
        set(of_task) == set(CURVES) - {"seconds_curve"} for of_task in chart_data(board)["curves"].values()
    )


def test_charts_are_specifications_without_data():
    for spec in (curve_chart(), final_chart()):
        assert "vega-lite" in spec["$schema"]
        assert "data" not in spec
        assert "datasets" not in spec
        assert all("color" in layer["encoding"] for layer in spec["layer"])


def test_vegas_script_can_stand_in_a_page():
    script = vega_script()
    assert "</script" not in script
    assert "vegaEmbed" in script


def test_vegas_script_is_bundled_once(tmp_path, monkeypatch):
    bundled, path = [], tmp_path / "cache" / "vega.js"
    monkeypatch.setattr(vega, "_kept", lambda: path)
    monkeypatch.setattr(vega, "_bundled", lambda: bundled.append(1) or "let é = 1;")

    def asked():
        vega_script.cache_clear()
        return vega_script()

    assert asked() == asked() == "let é = 1;"
    assert len(bundled) == 1
    path.write_bytes(path.read_bytes().replace(b"1;", b"2;"))  # damaged: made again
    assert asked() == "let é = 1;"
    assert len(bundled) == 2
    monkeypatch.setattr(vega, "_kept", lambda: path / "no folder" / "x.js")
    assert asked() == "let é = 1;"  # where nothing can be kept
    vega_script.cache_clear()


def test_the_csv_has_every_result(board):
    table = pd.read_csv(io.StringIO(results_csv(board))).set_index(["task", "strategy"])
    assert len(table) == len(board.columns) * len(board.labels)
    for task, label in itertools.product(board.columns, board.labels):
        row, found = table.loc[task, label], board.summaries[task][label]
        assert row["test_mean"] == pytest.approx(found.test.mean, rel=1e-7)
        assert row["test_regret"] == pytest.approx(found.test_regret.mean, rel=1e-7)
        assert row["runs"] == found.runs
        assert row["unit"] == "fraction"


def test_the_ranking_is_a_table_in_markdown_and_latex(board):
    markdown = [line.split(" | ") for line in ranking_markdown(board).splitlines()]
    assert {len(line) for line in markdown} == {2 + len(board.columns)}
    latex = ranking_latex(board)
    lines = latex.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert [line.count("&") for line in lines] == [1 + len(board.columns)] * len(board.labels)
    for own, label in zip(lines, board.by_rank(), strict=True):
        escaped = label.replace("_", r"\_") + (r"$\dagger$" if board.tuned_on(label) else "")
        assert own.strip().startswith(f"{escaped} & ")
        assert own.endswith(r"\\")
    assert latex.count(r"\begin") == latex.count(r"\end") == 2
    best = board.by_rank()[0]
    assert markdown[2][0] == f"| {best}"
    assert markdown[2][-1] == f"{100 * board.summaries[board.columns[-1]][best].test_regret.mean:.2f} |"


def boxes(figure):
    return {text.get_position(): text.get_text() for text in figure.axes[0].texts if text.get_text()}


def test_a_cell_is_drawn_with_all_its_operations_and_edges():
    space = get_space("nats_topology")
    row = space.parse("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|")
    (graph,) = space.graphs(row[None])
    figure = draw_cell(graph)
    words = sorted(text.replace("\n", "_") for text in boxes(figure).values())
    assert words == ["avg_pool_3x3", "in", "nor_conv_1x1", "nor_conv_3x3", "out", "skip_connect"]
    arrows = [text for text in figure.axes[0].texts if not text.get_text()]
    assert len(arrows) == graph.adjacency[0].sum() == 6
    for arrow in arrows:
        assert arrow.xy[0] > arrow.xyann[0]  # from left to right


@pytest.mark.parametrize("name", ["nats_topology", "graph", "nasbench101", "darts_cell", "transnas_micro"])
def test_no_two_operations_stand_on_each_other(name):
    space = get_space(name)
    for graph in space.graphs(space.sample(np.random.default_rng(3), 1)):
        figure = draw_cell(graph)
        assert len(boxes(figure)) == (graph.labels[0] != graph.absent).sum()


def test_what_most_runs_ended_with_is_found(board):
    pictures = found_cells(board)
    assert [picture.name for picture in pictures] == board.columns
    cora = board.picks["graph/cora"]
    counts: dict[bytes, int] = {}
    for picks in cora.values():
        for row, runs in zip(picks.genes, picks.runs.tolist(), strict=True):
            counts[row.tobytes()] = counts.get(row.tobytes(), 0) + runs
    best = max(counts, key=counts.get)
    text = get_space("graph").format(np.frombuffer(best, dtype=np.uint8)[None])[0]
    assert pictures[0].caption == f"graph/cora: {text}, in {counts[best]:,} of {sum(counts.values()):,} runs."
