"""`nasbench-suite build`: train every architecture of a space, and make a table of it."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from nasbench_suite.cli.output import Jobs, Json, Quiet, interruptible, note, print_json, print_table
from nasbench_suite.cli.progress import progress
from nasbench_suite.content import data_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.tabular.datasheet import described_tasks
from nasbench_suite.workers import available_cores, cluster, workers

if TYPE_CHECKING:  # torch loads when something is trained, not for --help
    from nasbench_suite.tabular.curve_file import CurveFile
    from nasbench_suite.training.plan import BuildPlan

_PLAN, _GAN_PLAN = "build.toml", "gan.toml"


def build(
    file: Path = typer.Argument(
        metavar="FILE", help="A build.toml or gan.toml, or the folder of a table that has one."
    ),
    work: Path | None = typer.Option(
        None,
        help="Folder for finished blocks; builds/NAME in the data folder without it. All machines of a "
        "cluster must share it.",
        show_default=False,
    ),
    earlier: Path | None = typer.Option(
        None,
        metavar="FILE",
        help="Curves that need not be trained again, from another machine; curves.h5 without it.",
        show_default=False,
    ),
    device: str = typer.Option(
        "cpu",
        help="Where workers compute: `cpu`, or `cuda`, which trains thousands of networks at once, in one "
        "process unless --jobs asks for more.",
    ),
    scheduler: str = typer.Option(
        "", metavar="ADDRESS", help="Train on the workers of this Dask scheduler.", show_default=False
    ),
    verify: bool = typer.Option(
        True, help="Train a stored group of networks again before going on; refuse if it gives other numbers."
    ),
    save_partial: bool = typer.Option(
        False, "--save-partial", help="Train nothing; write the curves of what is finished."
    ),
    jobs: int = Jobs,
    quiet: bool = Quiet,
    as_json: bool = Json,
) -> None:
    """Train what a build.toml asks for, and write the learning curves beside it as curves.h5.

    The table is made of that file when it is first asked for. A build that was interrupted or killed goes on
    where it stopped when the same command is given again; what an existing curves.h5 holds is not trained
    again.

    Examples
    --------
        nasbench-suite build tabular/nats_topology-mnist1d/build.toml --jobs 2

        nasbench-suite build tabular/nats_topology-mnist1d --device cuda --work on-gpu

        nasbench-suite build tabular/nats_topology-mnist1d --scheduler tcp://head:8786 --work /shared/build

        nasbench-suite build tabular/nats_topology-mnist1d --save-partial

        nasbench-suite build tabular/nats_topology-mnist1d --earlier unfinished.h5

        nasbench-suite build tabular/gan-mnist1d --jobs 2
    """
    from nasbench_suite.tabular.curve_file import FILE_NAME
    from nasbench_suite.training.build import build as train
    from nasbench_suite.training.build import check_writable, read_plan, save_curves
    from nasbench_suite.training.collected import EarlierCurves

    if scheduler and jobs:
        raise NasbenchSuiteError("--jobs is for workers on this machine; leave it out with --scheduler.")
    if file.name == _GAN_PLAN or (file / _GAN_PLAN).is_file():
        plan_of_gans = file / _GAN_PLAN if file.is_dir() else file
        if scheduler or earlier is not None:
            raise NasbenchSuiteError(
                "generators are built here, from the gan.h5 beside the plan; leave out "
                "--scheduler and --earlier."
            )
        _build_gans(plan_of_gans, work, device, save_partial, jobs, quiet, as_json)
        return
    file = file / _PLAN if file.is_dir() else file
    plan, target = read_plan(file), file.parent / FILE_NAME
    folder = work or data_root() / "builds" / plan.benchmark
    if earlier is not None and not earlier.is_file():
        raise NasbenchSuiteError(f"there is no {earlier}; give --earlier a curves.h5 of the same build.")
    if earlier is not None and target.exists():
        raise NasbenchSuiteError(
            f"{target} is there already and would be lost; leave out --earlier, or move it away."
        )
    known = earlier or target
    EarlierCurves(known, plan).check_none_lost()
    plan.check(plan.load_data("cpu"))
    plan = plan.for_device(device)
    if not save_partial:
        check_writable(target.parent)
        with (
            interruptible(f"finished blocks are in {folder}; give the same command to continue."),
            progress(f"training for {plan.task}", quiet) as advance,
            _executor(scheduler, jobs or _workers(device), len(plan.blocks())) as executor,
        ):
            train(
                plan,
                folder,
                earlier=known,
                executor=executor,
                device=device,
                verify=verify,
                progress=advance,
                notice=None if quiet else note,
            )
    content = save_curves(plan, folder, target, earlier=known, partial=save_partial)
    _report(content, plan, target, as_json)


def _build_gans(
    file: Path, work: Path | None, device: str, save_partial: bool, jobs: int, quiet: bool, as_json: bool
) -> None:
    """Train generators, each against its own discriminator, and write gan.h5 beside the plan."""
    from nasbench_suite.tabular.gan_file import FILE_NAME, write_gan_file
    from nasbench_suite.training.build import check_writable
    from nasbench_suite.training.gan.build import as_gan_file, build_gans, collected
    from nasbench_suite.training.gan.plan import read_gan_plan

    plan, target = read_gan_plan(file), file.parent / FILE_NAME
    folder = work or data_root() / "builds" / plan.benchmark
    if not save_partial:
        check_writable(folder)
        check_writable(target.parent)
        with (
            interruptible(f"finished blocks are in {folder}; give the same command to continue."),
            progress(f"training for {plan.task}", quiet) as advance,
            workers(1 if device == "cuda" else jobs or available_cores()) as executor,
        ):
            build_gans(plan, folder, earlier=target, executor=executor, device=device, progress=advance)
    content = as_gan_file(plan, collected(plan, folder, target))
    write_gan_file(content, target)
    facts = {
        "task": plan.task,
        "file": str(target),
        "architectures": len(content.genes),
        "trainings": content.progress(),
        "failed": sum(map(len, content.description.failures.values())),
        "MB": round(target.stat().st_size / 1e6, 2),
    }
    if as_json:
        print_json(facts)
        return
    print_table(["", ""], [[name, str(value)] for name, value in facts.items()])


@contextmanager
def _executor(scheduler: str, jobs: int, blocks: int) -> Iterator[Executor | None]:
    where = cluster(scheduler) if scheduler else workers(min(jobs, blocks))
    with where as executor:
        yield executor


def _workers(device: str) -> int:
    """Return how many workers a device has unless told otherwise: a GPU trains its networks together."""
    return 1 if device == "cuda" else available_cores()


def _report(content: "CurveFile", plan: "BuildPlan", target: Path, as_json: bool) -> None:
    description = content.description
    facts: dict[str, Any] = {
        "task": plan.task,
        "file": str(target),
        "architectures": len(content.genes),
        "trainings": dict(zip(map(str, description.seeds), content.trained(), strict=True)),
        "asked": dict(zip(map(str, description.seeds), description.asked, strict=True)),
        "failed": sum(map(len, description.failures.values())),
        "device_hours": sum(float(np.nansum(seconds)) for seconds in content.seconds.values()) / 3600,
        "MB": round(target.stat().st_size / 1e6, 2),
    }
    if as_json:
        print_json(facts)
        return
    shown = {**facts, "trainings": content.progress(), "device_hours": f"{facts['device_hours']:.2f}"}
    del shown["asked"]
    print_table(["", ""], [[key, str(value)] for key, value in shown.items()], left=2)
    if plan.task in described_tasks():
        note(f"ask the table: nasbench-suite show {plan.task} --figures")
    else:
        note(f"make a table of it: nasbench-suite import curves {target}")
