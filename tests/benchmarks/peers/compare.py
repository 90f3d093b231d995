"""Compares the overhead of nasbench-suite with that of nni, syne-tune and nas-bench-graph, in one run.

    python tests/benchmarks/peers/compare.py [--envs FOLDER] [--repeats N]

Measured are the seconds an import takes, the microseconds an evaluation of regularized evolution takes, its
look-up included (population 10, tournaments of 3, runs of 500 evaluations on NAS-Bench-Graph's Cora), and the
microseconds a look-up takes. Each tool has a script here that uses it in its documented way and says which;
the script prints its figures as a line of JSON. nni and syne-tune run in virtual environments of their own
with pinned versions (known to work on Python 3.11), made in FOLDER when they are not there; ours and
nas-bench-graph run in the environment of the interpreter that runs this file. The scripts take turns, N
times, each time in a fresh process on one thread; the table gives the median, and the least and the greatest.
A tool that cannot be installed or run has its error in the table.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from platformdirs import user_cache_path

HERE = Path(__file__).parent
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
INSTALL_LIMIT_SECONDS = 1800
RUN_LIMIT_SECONDS = 600
HEADER = (
    "tool",
    "version",
    "how",
    "import, s",
    "evolution, µs per evaluation",
    "look-up, µs per architecture",
)

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Tool:
    """A tool, the script that times it, and what its environment holds (nothing: it runs in ours)."""

    name: str
    script: str
    requirements: tuple[str, ...] = ()


TOOLS = (
    Tool("nasbench-suite", "ours.py"),
    Tool("nas-bench-graph", "peer_nas_bench_graph.py"),
    Tool(
        "nni",
        "peer_nni.py",
        (
            "nni==3.0",
            "peewee==3.19.0",  # nni.nas.benchmark imports it undeclared, and not as it is since version 4
            "nas-bench-graph==1.4.0",
            "filelock==3.11.0",
            "numpy==2.4.6",
            "pandas==3.1.1",
            "scikit-learn==1.9.1",
            "scipy==1.17.1",
            "typeguard==4.1.2",
        ),
    ),
    Tool(
        "syne-tune",
        "peer_syne_tune.py",
        (
            "syne-tune==0.16.0",
            "huggingface_hub==2.4.0",  # syne_tune.blackbox_repository imports it undeclared
            "nas-bench-graph==1.4.0",
            "dill==0.4.1",
            "numpy==2.4.6",
            "pandas==3.1.1",
            "scikit-learn==1.9.1",
            "scipy==1.17.1",
            "xgboost==3.2.0",
        ),
    ),
)


class PeerError(Exception):
    """A tool cannot be installed or run; the message is the last line that it wrote."""


def run(command: Sequence[str | Path], limit_seconds: float) -> str:
    """Run a command to its end and return what it printed."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **ONE_THREAD},
            capture_output=True,
            text=True,
            timeout=limit_seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise PeerError(f"stopped after {limit_seconds} s") from problem
    if done.returncode != 0:
        raise PeerError(error_sentence(done.stderr) or f"ended with code {done.returncode}")
    return done.stdout


def error_sentence(stderr: str) -> str:
    """Return the last line that names an error, or the last line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [""])[-1]


def python_of(tool: Tool, envs: Path) -> Path:
    """Return the interpreter that runs the script of a tool, making its environment if need be."""
    if not tool.requirements:
        return Path(sys.executable)
    folder = envs / tool.name
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    installed = folder / "installed.txt"  # written last: an environment without it is unfinished
    wanted = "\n".join((platform.python_version(), *tool.requirements))
    if not installed.exists() or installed.read_text() != wanted:
        say(f"installing {tool.name}")
        venv.create(folder, clear=True, with_pip=True)
        run([python, "-m", "pip", "install", "--quiet", *tool.requirements], INSTALL_LIMIT_SECONDS)
        installed.write_text(wanted)
    return python


def measure(tool: Tool, python: Path) -> Figures:
    """Run the script of a tool once and return its figures."""
    printed = run([python, HERE / tool.script], RUN_LIMIT_SECONDS)
    figures: Figures = json.loads(printed.splitlines()[-1])
    return figures


def measure_all(envs: Path, repeats: int) -> dict[str, list[Figures] | PeerError]:
    """Run all scripts in turn, so that a busy spell of the machine does not fall on one tool alone."""
    found: dict[str, list[Figures] | PeerError] = {tool.name: [] for tool in TOOLS}
    for repeat in range(repeats):
        for tool in TOOLS:
            so_far = found[tool.name]
            if isinstance(so_far, PeerError):
                continue
            try:
                python = python_of(tool, envs)
                say(f"{tool.name}, {repeat + 1} of {repeats}")
                so_far.append(measure(tool, python))
            except PeerError as problem:
                found[tool.name] = problem
    return found


def table_lines(found: Mapping[str, list[Figures] | PeerError]) -> Iterator[str]:
    """Write the Markdown table, one line at a time."""
    yield line(HEADER)
    yield line(["---"] * 3 + ["---:"] * 3)
    for tool in TOOLS:
        figures = found[tool.name]
        if isinstance(figures, PeerError):
            yield line([tool.name, pinned_version(tool), f"not measured: {figures}", "–", "–", "–"])
        else:
            yield from tool_lines(tool.name, figures)


def tool_lines(name: str, figures: Sequence[Figures]) -> Iterator[str]:
    imports = cell([repeat["import_seconds"] for repeat in figures])
    for i, row in enumerate(figures[0]["rows"]):
        search = cell([repeat["rows"][i]["search"] for repeat in figures])
        look_up = cell([repeat["rows"][i]["look_up"] for repeat in figures])
        yield line([name, figures[0]["versions"][name], row["way"], imports, search, look_up])


def pinned_version(tool: Tool) -> str:
    return tool.requirements[0].partition("==")[2] if tool.requirements else "–"


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |"


def cell(values: Sequence[float | None]) -> str:
    """Write `median (least–greatest)`; a dash for what a tool does not have."""
    numbers = [value for value in values if value is not None]
    if not numbers:
        return "–"
    return f"{rounded(median(numbers))} ({rounded(min(numbers))}–{rounded(max(numbers))})"


def rounded(value: float) -> str:
    """Write three significant digits without an exponent."""
    decimals = next((d for d, least in enumerate((100, 10, 1, 0.1)) if value >= least), 4)
    return f"{value:,.{decimals}f}"


def surroundings(repeats: int) -> str:
    return (
        f"Python {platform.python_version()}, {platform.system()} on {platform.machine()}, "
        f"{os.cpu_count()} cores; median (least–greatest) of {repeats}."
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--envs",
        type=Path,
        default=user_cache_path("nasbench-suite") / "peers",
        metavar="FOLDER",
        help="where the peers' environments are, or are made (default: %(default)s)",
    )
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="runs of each script (%(default)s)"
    )
    return parser.parse_args()


def main() -> None:
    asked = arguments()
    found = measure_all(asked.envs.resolve(), max(1, asked.repeats))
    print("\n".join(table_lines(found)))
    print(f"\n{surroundings(max(1, asked.repeats))}")


if __name__ == "__main__":
    main()
