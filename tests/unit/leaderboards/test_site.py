"""The site: what it has pages of, that they need nothing outside, and what it refuses."""

import re
import shutil

import pytest

from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.rules import leaderboard_folders
from nasbench_suite.leaderboards.site import document, write_site


def outside(text):
    """Return addresses of a page that lead elsewhere than into it or to the index."""
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    return re.findall(r"""(?:src|href)=["'](?!data:|#|\.\./index\.html)([^"']*)""", markup)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    graph = leaderboard_folders()["nas-bench-graph"]
    return out, write_site(out, [graph, content_root() / "leaderboards" / "hardware-help"])


def test_every_page_of_a_folder_is_there_and_linked(site):
    out, written = site
    pages = {path.relative_to(out).as_posix() for path in written}
    assert pages == {
        *("index.html", "nas-bench-graph/board.html", "nas-bench-graph/transfer.html"),
        "hardware-help/costs.html",
    }
    index = (out / "index.html").read_text()
    assert set(outside(index)) == pages - {"index.html"}
    assert "7 strategies, 9 tasks" in index
    assert "Latency on devices that few measurements are known of" in index


def test_pages_need_nothing_outside_themselves(site):
    _, written = site
    for path in written[1:]:
        assert not outside(path.read_text()), path
        assert path.read_text().startswith("<!doctype html>")


def test_a_page_in_markdown_keeps_its_tables_and_figures(tmp_path):
    (tmp_path / "x.svg").write_text("<svg/>")
    (tmp_path / "x.md").write_text(
        "# A *title*\n\nWhat it is: <b>bold</b>.\n\n![Seen](x.svg)\n\n"
        "| a | b |\n| --- | ---: |\n| 1 | 2 |\n\n"
        "[ours](../board.md) and [theirs](https://example.org)\n"
    )
    page = document(tmp_path / "x.md")
    assert page.title == "A *title*"
    assert page.summary == "What it is: <b>bold</b>."
    assert '<img src="data:image/svg+xml;base64,PHN2Zy8+"' in page.text
    assert page.text.count("<table>") == page.text.count("</table></div>") == 1
    assert "What it is: &lt;b&gt;bold&lt;/b&gt;." in page.text  # nothing of a page runs
    assert '<a href="https://example.org">theirs</a>' in page.text
    assert "<p>ours and" in page.text


def test_all_boards_that_ship_have_a_page(tmp_path, monkeypatch):
    """Of every folder something is shown, but of rules that nobody has played."""
    from nasbench_suite.leaderboards import site as module

    monkeypatch.setattr(module, "html_page", lambda board, name: f"page of {name}")
    write_site(tmp_path)
    folders = {path.name for path in (content_root() / "leaderboards").iterdir() if path.is_dir()}
    assert folders - {path.name for path in tmp_path.iterdir()} == {"bananas-table1"}


def test_a_folder_without_pages_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NasbenchSuiteError, match="empty has no page to show; play it first"):
        write_site(tmp_path / "out", [tmp_path / "empty"])
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NasbenchSuiteError, match=r"there is no folder .*nowhere; give folders of boards"):
        write_site(
            tmp_path / "out", [content_root() / "leaderboards" / "hardware-help", tmp_path / "nowhere"]
        )
    assert not (tmp_path / "out").exists()


def test_two_folders_of_one_name_are_refused(tmp_path):
    help_ = content_root() / "leaderboards" / "hardware-help"
    shutil.copytree(help_, tmp_path / "hardware-help")
    with pytest.raises(NasbenchSuiteError, match="two of the folders have the same name"):
        write_site(tmp_path / "out", [help_, tmp_path / "hardware-help"])
