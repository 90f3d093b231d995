"""The JavaScript of Vega that a page carries: bundled by vl-convert, which takes seconds, and kept."""

import hashlib
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import platformdirs

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.storage import write_whole

_PACKAGE = "vl-convert-python"


def _kept() -> Path:
    folder = Path(platformdirs.user_cache_dir("nasbench-suite"))
    return folder / f"vega-{metadata.version(_PACKAGE)}.js"


@lru_cache
def vega_script() -> str:
    """Return the JavaScript of Vega, Vega-Lite and Vega-Embed; it defines `vegaEmbed`.

    It is kept in the user's cache, with a checksum in its first line, so that it is bundled once for each
    version of vl-convert; what is damaged is bundled again, and where nothing can be kept it is every time.
    """
    path = _kept()
    try:
        head, _, script = path.read_bytes().decode("utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        head, script = "", ""
    if head != _head(script):
        script = _bundled()
        try:
            write_whole(path, f"{_head(script)}\n{script}".encode())
        except (NasbenchSuiteError, OSError):  # a cache that cannot be written is none
            return script
    return script


def _head(script: str) -> str:
    return f"// sha256 {hashlib.sha256(script.encode()).hexdigest()}"


def _bundled() -> str:
    import vl_convert

    script: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # the stub wants a snippet
    return script
