"""Sentences of rules and datasheets on HTML pages: what stands in backticks is code, the rest is text."""

from markdown_it import MarkdownIt
from markupsafe import Markup

_CODE = MarkdownIt("zero").enable("backticks")


def inline_code(text: str) -> Markup:
    """Return a sentence as HTML, escaped, in which what stands in backticks is an element `code`."""
    return Markup(_CODE.renderInline(text))  # noqa: S704  # the renderer has escaped it
