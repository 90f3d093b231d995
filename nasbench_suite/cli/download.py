"""`nasbench-suite download`: the official files of a benchmark, verified, and imported if asked."""

from pathlib import Path

import typer

from nasbench_suite.cli.import_ import report_import
from nasbench_suite.cli.output import Jobs, Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.tabular.datasheet import datasheets

_MEGABYTE = 1_000_000


def download(
    name: str = typer.Argument(help="A benchmark."),
    files: list[str] = typer.Argument(None, metavar="[FILE]...", help="Only these of its files."),
    to: Path | None = typer.Option(None, help="Folder; one in the user's data folder without it."),
    then_import: bool = typer.Option(False, "--import", help="Import the files when they are here."),
    trust: bool = typer.Option(False, "--trust", help="Take files of which no checksum is published."),
    jobs: int = Jobs,
    quiet: bool = Quiet,
    as_json: bool = Json,
) -> None:
    """Fetch the official files of a benchmark and verify their checksums.

    A broken or interrupted transfer goes on where it stopped when the same command is given again. Addresses
    and checksums are in the benchmark's datasheet.

    Examples
    --------
        nasbench-suite download nasbench101 --import

        nasbench-suite download nasbench101 nasbench_only108.tfrecord --to ~/tables
    """
    from nasbench_suite.tabular.download import (
        choose,
        downloads_folder,
        fetch,
    )  # loads HTTP, so not for --help

    if name not in datasheets():
        raise UnknownNameError("benchmark", name, datasheets())
    sheet = datasheets()[name]
    folder = to or downloads_folder(name)
    paths = []
    for entry in choose(sheet.downloads, name, files or []):
        with (
            interruptible("what has arrived is kept; give the same command to continue."),
            progress(f"{entry.file} (MB)", quiet) as advance,
        ):
            paths.append(
                fetch(
                    entry,
                    folder,
                    trust=trust,
                    progress=lambda done, total, advance=advance: advance(  # type: ignore[misc]
                        done // _MEGABYTE, total // _MEGABYTE
                    ),
                )
            )
    if then_import:
        note(f"{len(paths)} file(s) in {folder}")
        report_import(sheet.importer, paths, sheet=sheet, name=name, jobs=jobs, quiet=quiet, as_json=as_json)
    elif as_json:
        print_json([{"file": str(path), "bytes": path.stat().st_size} for path in paths])
    else:
        print_table(["file", "MB"], [[str(p), f"{p.stat().st_size / _MEGABYTE:.1f}"] for p in paths])
        note(f"convert with: nasbench-suite import {sheet.importer} {' '.join(map(str, paths))}")
