"""A hook of MkDocs: figures from outside of the documentation come along, links out of it become text."""

import os
import re
from pathlib import Path

from mkdocs.structure.files import File

DOCS = Path(__file__).parent
LINK = re.compile(r"(!?)\[([^]]*)\]\((?!https?:)([^)#]+)[^)]*\)")


def on_files(files, config):
    """Add the figures that pages show."""
    pages = [file for file in files if file.src_uri.endswith(".md") and file.abs_src_path]
    for page in pages:
        for image, _, target in LINK.findall(Path(page.abs_src_path).read_text(encoding="utf-8")):
            path = outside(page.src_uri, target)
            if image and path is not None:
                files.append(File.generated(config, figure(path), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Return the page with figures where the site has them, and links out of it as what they say."""

    def inside(match):
        image, text, target = match.groups()
        path = outside(page.file.src_uri, target)
        if path is None:
            return match[0]
        depth = os.path.relpath(".", Path(page.file.src_uri).parent)
        return f"![{text}]({depth}/{figure(path)})" if image else text

    return LINK.sub(inside, markdown)


def outside(page, target):
    """Return the file that a link of a page leads to if it is there and no part of the documentation."""
    path = ((DOCS / page).parent / target).resolve()
    return path if path.is_file() and not path.is_relative_to(DOCS.resolve()) else None


def figure(path):
    """Return where the site has a figure."""
    return f"figures/{path.parent.name}-{path.name}"
