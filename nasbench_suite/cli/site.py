"""`nasbench-suite site`: all boards as pages, and an index over them."""

from pathlib import Path

import typer

from nasbench_suite.cli.output import Json, note, print_json, print_table


def site(
    folders: list[Path] | None = typer.Argument(
        None, metavar="[DIR]...", help="Folders of boards that were played; those of the suite without any."
    ),
    out: Path = typer.Option(Path("site"), help="Folder for the pages."),
    as_json: bool = Json,
) -> None:
    """Write every board as a page that works offline, and an index over all of them.

    Examples
    --------
        nasbench-suite site

        nasbench-suite site results/nas-bench-graph results/mnist1d --out pages
    """
    from nasbench_suite.leaderboards.site import write_site

    written = write_site(out, folders or [])
    if as_json:
        print_json({"pages": [str(path) for path in written]})
        return
    rows = [[path.parent.name, path.name, f"{path.stat().st_size / 1e6:.1f}"] for path in written[1:]]
    print_table(["board", "page", "MB"], rows, left=2)
    note(f"index: {written[0]}")
