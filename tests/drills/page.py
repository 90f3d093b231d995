"""Writes `docs/drills.md` of the results in `tests/drills/results`.

python tests/drills/page.py
"""

import json
from pathlib import Path

from jinja2 import Environment, StrictUndefined

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "drills.md"


def page():
    """Return the text of the page."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((HERE / "results").glob("*.json"))}
    machines: dict[str, list[str]] = {}
    for name, one in found.items():
        versions = f"Python {one['python']}, NumPy {one['numpy']}, h5py {one['h5py']}"
        place = f"{one['machine']}, {one['system']}, {versions}, {one['date']}"
        machines.setdefault(place, []).append(name)
    environment = Environment(  # Markdown is not HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    template = environment.from_string((HERE / "page.md.j2").read_text())
    return template.render(found=found, machines=machines)


if __name__ == "__main__":
    PAGE.write_text(page())
