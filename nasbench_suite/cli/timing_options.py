"""Options of the commands that time networks here, and what they stand for."""

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.workers import available_cores

if TYPE_CHECKING:  # loads torch
    from nasbench_suite.hardware.network_latency import Conditions

Device = typer.Option("cpu", help="`cpu` or `cuda`.")
Threads = typer.Option(1, min=1, help="Threads of the CPU.")
Batch = typer.Option(1, min=1, help="Inputs at once.")
Precision = typer.Option("float32", help="`float32` or `bfloat16`.")
Shape = typer.Option("3x32x32", help="One input: channels x height x width, or channels x length.")
Classes = typer.Option(10, min=2, help="Classes of the networks.")
Rounds = typer.Option(3, min=1, help="How often all of them are measured, one after the other.")
Seconds = typer.Option(0.3, min=0.0, help="Of measuring each in a round, after a warm-up.")


def conditions_of(
    space: str,
    shape: str,
    classes: int,
    batch: int,
    device: str,
    threads: int,
    precision: str,
    engine: str = "pytorch",
) -> "Conditions":
    """Return the conditions that options stand for; the networks are those of the space's authors.

    Raises
    ------
    NasbenchSuiteError
        When there are none such, fewer cores than threads, or no networks are built of the space.
    """
    if threads > available_cores():
        raise NasbenchSuiteError(
            f"there are {available_cores()} cores here; {threads} threads would wait for each other."
        )
    from nasbench_suite.hardware.network_latency import Conditions
    from nasbench_suite.training.networks import official_skeleton

    sizes = _sizes(shape)
    official = official_skeleton(space, classes=classes)
    skeleton = replace(official, inputs=sizes[0], dims=1 if len(sizes) == 2 else 2)
    return Conditions(skeleton, sizes, batch, device, threads, precision, engine)


def _sizes(shape: str) -> tuple[int, ...]:
    words = shape.split("x")
    if len(words) not in (2, 3) or not all(word.isdecimal() and int(word) for word in words):
        raise NasbenchSuiteError(f"an input is CHANNELSxHEIGHTxWIDTH or CHANNELSxLENGTH, not {shape!r}.")
    return tuple(map(int, words))
