"""The application: its commands, and what errors and interrupts turn into.

Exit codes: 0 done; 1 a defect of the suite or of a user's own strategy, with its traceback; 2 something
asked for is wrong, in one sentence; 130 interrupted, with finished work kept.
"""

import sys
import warnings

import typer

import nasbench_suite
from nasbench_suite.cli import (
    build,
    check,
    cost,
    device,
    download,
    export,
    fit,
    import_,
    leaderboard,
    listing,
    measure,
    query,
    reproduce,
    scaling,
    search,
    show,
    site,
    study,
    submit,
    train,
    transfer,
    validate,
)
from nasbench_suite.cli.output import complain, show_warning
from nasbench_suite.errors import NasbenchSuiteError

app = typer.Typer(
    name="nasbench-suite",
    help="Benchmark neural-architecture-search algorithms in seconds: on tables of trained architectures.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(listing.list_names)
app.command("show")(show.show)
app.command("query")(query.query)
app.command("cost")(cost.cost)
app.add_typer(device.app, name="device")
app.command("measure")(measure.measure)
app.command("search")(search.search)
app.add_typer(leaderboard.app, name="leaderboard")
app.command("submit")(submit.submit)
app.command("site")(site.site)
app.command("reproduce")(reproduce.reproduce)
app.command("import")(import_.import_)
app.command("download")(download.download)
app.command("export")(export.export)
app.command("fit")(fit.fit)
app.command("study")(study.study)
app.command("train")(train.train)
app.command("build")(build.build)
app.command("validate")(validate.validate)
app.command("transfer")(transfer.transfer)
app.command("scaling")(scaling.scaling)
app.command("check")(check.check)


def _print_version(asked: bool) -> None:
    if asked:
        print(nasbench_suite.__version__)
        raise typer.Exit


@app.callback()
def root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print it."
    ),
) -> None:
    """Benchmark neural-architecture-search algorithms in seconds: on tables of trained architectures."""


def main() -> None:
    """Run the command line; see the module for exit codes."""
    with warnings.catch_warnings():
        warnings.showwarning = show_warning
        try:
            app()
        except NasbenchSuiteError as problem:
            complain(str(problem))
            sys.exit(2)
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output has gone; Python would complain at exit
            sys.exit(0)
