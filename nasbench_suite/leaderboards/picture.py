"""A figure as a page shows it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A figure as a page shows it; `data` is its SVG in base64, empty where the page links a file."""

    name: str
    caption: str
    data: str
