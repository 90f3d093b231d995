"""The site: every board as a page that needs no network, and an index over all of them."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markdown_it import MarkdownIt

from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.leaderboards.inline_code import inline_code
from nasbench_suite.leaderboards.render import html_page
from nasbench_suite.leaderboards.results import RESULTS, load_board
from nasbench_suite.storage import write_whole

INDEX = "index.html"
_OF_BOARD = "board.md"
_SCROLLED = '<div class="scroll" tabindex="0" role="region" aria-label="Table">'
_IMAGE = re.compile(r'(<img[^>]*\bsrc=")([^"]+\.svg)(")')
_LINK = re.compile(r'<a href="(?!https?:|#)[^"]*">(.*?)</a>', re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """A folder on the index.

    Attributes
    ----------
    name, title, summary
        Of the folder, and what its first page says it is.
    pages
        Titles of its pages by their address relative to the site.
    facts
        Strategies and tasks of a board that was played; empty for others.
    """

    name: str
    title: str
    summary: str
    pages: dict[str, str] = field(default_factory=dict)
    facts: str = ""


def write_site(out: Path, folders: Sequence[Path] = ()) -> list[Path]:
    """Write the site into a folder and return the paths of its pages, the index first.

    Parameters
    ----------
    out
        Where; pages of an earlier site are written over.
    folders
        Of boards that were played; those that ship with the suite if there are none.

    Raises
    ------
    NasbenchSuiteError
        When a folder is not there or has nothing to show, or two have the same name.
    """
    for folder in folders:
        if not folder.is_dir():
            raise NasbenchSuiteError(f"there is no folder {folder}; give folders of boards that were played.")
    shown = list(folders) or sorted(path for path in (content_root() / "leaderboards").iterdir())
    found = {folder.name: pages_of(folder) for folder in shown if folder.is_dir()}
    if len(found) < len([folder for folder in shown if folder.is_dir()]):
        raise NasbenchSuiteError("two of the folders have the same name; rename one, the site goes by names.")
    for name, pages in found.items():
        if not pages and folders:
            raise NasbenchSuiteError(
                f"{name} has no page to show; play it first: nasbench-suite leaderboard run."
            )
    index: list[Shown] = []
    written: list[Path] = []
    for name, pages in found.items():
        if pages:
            index.append(_shown(name, pages))
            for file, page in pages.items():
                write_whole(out / name / file, page.text.encode())
                written.append(out / name / file)
    write_whole(out / INDEX, _index(index).encode())
    return [out / INDEX, *written]


@dataclass(frozen=True)
class Page:
    """One page: its title, the paragraph that it begins with, facts of a board, and all of its text."""

    title: str
    summary: str
    text: str
    facts: str = ""


def pages_of(folder: Path) -> dict[str, Page]:
    """Return the pages of a folder by file name, the board first; none where there is nothing to show."""
    found: dict[str, Page] = {}
    if (folder / RESULTS).is_file():
        board = load_board(folder / RESULTS)
        facts = f"{len(board.labels)} strategies, {len(board.columns)} tasks"
        rules = board.rules
        found["board.html"] = Page(rules.title, rules.summary, html_page(board, folder.name), facts)
    for path in sorted(folder.glob("*.md")):
        if path.name not in (_OF_BOARD, "README.md"):
            found[path.with_suffix(".html").name] = document(path)
    return found


def document(path: Path) -> Page:
    """Return a page in Markdown as HTML, its figures in it; links to files of the repository are left out."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    title = next((line[2:] for line in lines if line.startswith("# ")), path.stem)
    paragraphs = (line for line in lines if line and not line.startswith(("#", "!", "|", "-", "`")))
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    body = _IMAGE.sub(lambda match: f"{match[1]}{_inlined(path.parent / match[2])}{match[3]}", body)
    body = _LINK.sub(r"\1", body)
    body = body.replace(
        "<table>", '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'
    )
    body = body.replace("</table>", "</table></div>")
    page = _environment().from_string(_template("document.html.j2"))
    return Page(title, next(paragraphs, ""), page.render(title=title, body=body, css=_template("page.css")))


def _inlined(figure: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(figure.read_bytes()).decode()}"


def _shown(name: str, pages: dict[str, Page]) -> Shown:
    first = next(iter(pages.values()))
    links = {f"{name}/{file}": page.title for file, page in pages.items()}
    return Shown(name, first.title, first.summary, links, first.facts)


def _index(boards: list[Shown]) -> str:
    page = _environment().from_string(_template("site.html.j2"))
    return page.render(boards=boards, css=_template("page.css"))


def _template(file: str) -> str:
    return (files(__package__) / "templates" / file).read_text(encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline_code"] = inline_code
    return environment
