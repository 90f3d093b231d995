"""Building a table by training every architecture of a space: `tabular/NAME/build.toml` says how.

Architectures are trained in blocks. A block that is done lies in the build's folder, whole, and is never
trained again, so a build that was killed goes on with what is there. What was trained is written, compressed,
beside `build.toml` as `curves.h5`, of which `tabular/importers/built.py` makes the table. That file, too, is
a place to go on from: what it holds is not trained again on another machine.
"""

import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, as_completed, wait
from contextlib import closing
from pathlib import Path

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.storage import explain
from nasbench_suite.training.blocks import is_repeated, read_block, train_block
from nasbench_suite.training.collected import EarlierCurves, SeedCurves, collect, gather, save_curves
from nasbench_suite.training.plan import Block, BuildPlan, DataEntry, SkeletonEntry, read_plan
from nasbench_suite.workers import told_when_lost

__all__ = [
    "Block",
    "BuildPlan",
    "DataEntry",
    "SeedCurves",
    "SkeletonEntry",
    "build",
    "check_writable",
    "collect",
    "gather",
    "read_plan",
    "save_curves",
]

Progress = Callable[[int, int], None]
Notice = Callable[[str], None]
_KEPT = "every finished block is kept: run the same command again"
_SECONDS_UNTIL_SEEN = 90.0
"""How long a file that another machine wrote may take to appear in a shared folder (NFS caches a minute)."""


def build(
    plan: BuildPlan,
    folder: Path,
    *,
    earlier: Path | None = None,
    executor: Executor | None = None,
    device: str = "cpu",
    verify: bool = True,
    progress: Progress | None = None,
    notice: Notice | None = None,
) -> None:
    """Train what is not there yet; when it returns, every training is in `folder` or in `earlier`.

    Parameters
    ----------
    plan
        What to train.
    folder
        Where blocks are stored, and looked for; on a cluster, one that every worker sees.
    earlier
        A file of curves whose trainings need not be made again.
    executor
        Where blocks are trained: any `concurrent.futures.Executor`; None: here, one after the other.
    device
        Where a worker computes: `cpu` or `cuda`.
    verify
        Before the first new block is trained, train a group of networks of a stored one again, and refuse to
        go on if their accuracies differ: no table mixes the numbers of two trainers.
    progress
        Called with the number of trainings done and of all.
    notice
        Called with a sentence about what is being waited for.

    Raises
    ------
    NasbenchSuiteError
        When a worker died, a block cannot be written, or stored blocks are of another build or another
        trainer; what was finished is kept.
    """
    folder = folder.absolute()  # workers may start elsewhere
    known = EarlierCurves(earlier, plan)
    blocks = plan.blocks()
    stored = [block for block in blocks if read_block(block, folder) is not None]
    have = {block.file for block in stored}
    missing = [block for block in blocks if block.file not in have and not known.has(block)]
    total = sum(len(block.rows) for block in blocks)
    done = total - sum(len(block.rows) for block in missing)
    advance = progress or (lambda done, total: None)
    advance(done, total)
    if not missing:
        return
    check_writable(folder)
    if verify and stored:
        _verify(stored[0], folder, executor, device, notice)
    with closing(_results(missing, folder, executor, device, notice)) as results:
        for trained in results:
            done += trained
            advance(done, total)


def check_writable(folder: Path) -> None:
    """Find out before hours of training whether their results can be kept.

    Raises
    ------
    NasbenchSuiteError
        When the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as problem:
        raise NasbenchSuiteError(f"cannot write {folder}: {explain(problem)}.") from problem


def _verify(
    block: Block, folder: Path, executor: Executor | None, device: str, notice: Notice | None
) -> None:
    """Check, where blocks will be trained, that the numbers of a stored one come again.

    Raises
    ------
    NasbenchSuiteError
        When it does not.
    """
    if notice is not None:
        notice(f"training some networks of {block.file} again, to see whether they give the same accuracies")
    if executor is None:
        same = is_repeated(block, folder, device)
    else:
        with told_when_lost(_KEPT):
            same = executor.submit(is_repeated, block, folder, device).result()
    if not same:
        raise NasbenchSuiteError(
            f"networks of {folder / block.file} get other accuracies when they are trained again: the "
            "trainer, a library, the device or the machine has changed; give --work another folder to begin "
            "anew, or --no-verify to mix them all the same."
        )


def _results(
    blocks: Sequence[Block],
    folder: Path,
    executor: Executor | None,
    device: str,
    notice: Notice | None,
) -> Generator[int]:
    """Train blocks and yield how many architectures each has; whatever ends it, finished blocks stay."""
    if executor is None:
        for block in blocks:
            yield train_block(block, folder, device)
        return
    futures: dict[Future[int], Block] = {}
    try:
        with told_when_lost(_KEPT):
            for block in blocks:
                futures[executor.submit(train_block, block, folder, device)] = block
            for future in as_completed(futures):
                trained = future.result()
                _await_file(folder / futures[future].file)
                yield trained
    except BaseException as problem:
        if not isinstance(problem.__cause__, BrokenExecutor):  # of broken ones nothing runs
            _finish_what_runs(list(futures), notice)
        raise


def _finish_what_runs(futures: Sequence[Future[int]], notice: Notice | None) -> None:
    """Begin no further block, and let those that are being trained be finished and stored."""
    for future in futures:
        future.cancel()
    running = [future for future in futures if not future.done()]
    if running and notice is not None:
        notice(f"waiting for {len(running)} blocks that are being trained, so that they are kept")
    wait(running)


def _await_file(path: Path) -> None:
    """Wait until a block that a worker stored can be seen here.

    Raises
    ------
    NasbenchSuiteError
        When it does not appear.
    """
    until = time.monotonic() + _SECONDS_UNTIL_SEEN
    while not path.exists():
        if time.monotonic() > until:
            raise NasbenchSuiteError(
                f"a worker has stored {path.name}, but it is not in {path.parent} here; give --work a folder "
                "that all machines share."
            )
        time.sleep(0.5)
