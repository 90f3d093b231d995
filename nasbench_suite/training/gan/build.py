"""Building a table of generators: `tabular/NAME/gan.toml` says which, `gan.h5` beside it is what comes of it.

Architectures are trained in blocks. A block that is done lies in the build's folder, whole, and is never
trained again; nor is what the file already holds. Blocks of one build may be trained on several devices:
every training is one draw of the same distribution, and the file says what each ran on.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.storage import write_whole
from nasbench_suite.tabular.gan_file import CURVES, GanDescription, GanFile, read_gan_file
from nasbench_suite.training.environment import environment
from nasbench_suite.training.gan.classifier import classifier_path, load_classifier
from nasbench_suite.training.gan.data import get_gan_data
from nasbench_suite.training.gan.generator import gan_space
from nasbench_suite.training.gan.plan import PLAN, GanPlan
from nasbench_suite.training.gan.recipe import get_gan_recipe
from nasbench_suite.training.gan.train import cpu_group, train_gans
from nasbench_suite.training.machine import check_device

_WHAT_DAMAGE_RAISES = (zipfile.BadZipFile, zlib.error, OSError, ValueError, LookupError, EOFError, TypeError)

Progress = Callable[[int, int], None]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class GanBlock:
    """Some architectures to be trained with one seed."""

    plan: GanPlan
    seed: int
    rows: Rows

    @property
    def file(self) -> str:
        """The name of the block's file: its first architecture and how many there are."""
        return f"seed-{self.seed}-from-{self.rows[0]:04d}-{len(self.rows)}.npz"


def build_gans(
    plan: GanPlan,
    folder: Path,
    *,
    earlier: Path,
    executor: Executor | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Train what neither the folder nor the earlier file has.

    Parameters
    ----------
    plan
        What to train.
    folder
        Where blocks are stored, and looked for.
    earlier
        A file whose trainings need not be made again; there may be none.
    executor
        Where blocks are trained; None: here, one after the other.
    device
        `cpu` or `cuda`.
    progress
        Called with the number of trainings done, and of all.

    Raises
    ------
    NasbenchSuiteError
        When the device is not there, a block cannot be written, or something is of another build.
    """
    check_device(device)
    done = {seed: set(part) for seed, part in collected(plan, folder, earlier).items()}
    blocks = list(_missing(plan, done, device))
    total = sum(len(plan.rows(seed)) for seed in plan.seeds)
    finished = total - sum(len(block.rows) for block in blocks)
    tell = progress or (lambda done, total: None)
    tell(finished, total)
    for trained in _results(blocks, folder, executor, device):
        finished += trained
        tell(finished, total)


def _missing(plan: GanPlan, done: dict[int, set[int]], device: str) -> Iterator[GanBlock]:
    size = plan.block if device == "cpu" else plan.cuda_block
    for seed in plan.seeds:
        rows = np.array([row for row in plan.rows(seed).tolist() if row not in done[seed]], dtype=np.int64)
        for start in range(0, len(rows), size):
            yield GanBlock(plan, seed, rows[start : start + size])


def _results(blocks: list[GanBlock], folder: Path, executor: Executor | None, device: str) -> Iterator[int]:
    if executor is None:
        yield from (train_block(block, folder, device) for block in blocks)
        return
    futures = [executor.submit(train_block, block, folder, device) for block in blocks]
    try:
        yield from (future.result() for future in as_completed(futures))
    finally:
        for future in futures:
            future.cancel()


def train_block(block: GanBlock, folder: Path, device: str) -> int:
    """Train one block, store it, and return how many architectures it has; runs in a worker."""
    plan, data = block.plan, get_gan_data(block.plan.data).load()
    curves = train_gans(
        plan.architectures[block.rows],
        plan.space,
        get_gan_recipe(plan.recipe),
        data=data,
        classifier=load_classifier(classifier_path(plan.data), device),
        seed=block.seed,
        device=device,
        capture=device == "cuda",
        group=cpu_group(data) if device == "cpu" else None,
    )
    content = io.BytesIO()
    arrays: dict[str, Any] = {name: getattr(curves, name) for name in (*CURVES, "train_seconds")}
    np.savez_compressed(
        content,
        request=np.array(plan.request),
        ran_on=np.array(json.dumps(environment(device))),
        rows=block.rows,
        failures=np.array(curves.failures),
        samples=_without_one_channel(curves.samples),
        **arrays,
    )
    write_whole(folder / block.file, content.getvalue())
    return len(block.rows)


def _without_one_channel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return samples `[models, 8, channels, *size]` as they are kept: no channels where there is but one."""
    return samples[:, :, 0] if samples.shape[2] == 1 else samples


@dataclass(frozen=True)
class Training:
    """One training: scores and losses `[checkpoints]` by name, and what else is kept of it."""

    curves: dict[str, NDArray[np.float64]]
    train_seconds: float
    samples: NDArray[np.float32]
    failure: str
    ran_on: dict[str, str]


def collected(plan: GanPlan, folder: Path, earlier: Path) -> dict[int, dict[int, Training]]:
    """Return every training that there is, by seed and row; a block counts before the earlier file.

    Raises
    ------
    DamagedFileError
        When a block or the file is damaged.
    NasbenchSuiteError
        When one is of another build.
    """
    found: dict[int, dict[int, Training]] = {seed: {} for seed in plan.seeds}
    if earlier.exists():
        _take_file(read_gan_file(earlier), plan, earlier, found)
    for seed in plan.seeds:
        for path in sorted(folder.glob(f"seed-{seed}-from-*.npz")):
            found[seed] |= _block(path, plan)
    return found


def _take_file(file: GanFile, plan: GanPlan, path: Path, found: dict[int, dict[int, Training]]) -> None:
    described = file.description
    if described.request != plan.request:
        raise NasbenchSuiteError(
            f"{path} is of another build (another space, recipe or revision); move it away to train "
            "everything again."
        )
    space = gan_space(plan.space)
    codes, texts = space.encode(file.genes).tolist(), space.format(file.genes)
    for at, seed in enumerate(described.seeds):
        why = described.failures.get(str(seed), {})
        for row in np.flatnonzero(file.ran_on[at] >= 0).tolist():
            if seed not in found:
                raise NasbenchSuiteError(
                    f"{path} has trainings with seed {seed}, which {PLAN} does not name."
                )
            found[seed][codes[row]] = Training(
                curves={name: values[at, :, row].astype(np.float64) for name, values in file.curves.items()},
                train_seconds=float(file.train_seconds[at, row]),
                samples=file.samples[row].astype(np.float32),
                failure=why.get(texts[row], ""),
                ran_on=described.environments[file.ran_on[at, row]],
            )


def _block(path: Path, plan: GanPlan) -> dict[int, Training]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            request, ran_on = str(file["request"]), json.loads(str(file["ran_on"]))
            arrays = {name: np.asarray(file[name]) for name in (*CURVES, "train_seconds", "samples")}
            rows, failures = file["rows"].tolist(), list(map(str, file["failures"]))
    except _WHAT_DAMAGE_RAISES as problem:
        raise DamagedFileError(
            f"{path} is damaged; remove it, and the same command trains its block again."
        ) from problem
    if request != plan.request:
        raise NasbenchSuiteError(
            f"{path} is of another build (another space, recipe or revision); give --work another folder."
        )
    return {
        row: Training(
            curves={name: arrays[name][at].astype(np.float64) for name in CURVES},
            train_seconds=float(arrays["train_seconds"][at]),
            samples=arrays["samples"][at],
            failure=failures[at],
            ran_on=ran_on,
        )
        for at, row in enumerate(rows)
    }


def as_gan_file(plan: GanPlan, found: dict[int, dict[int, Training]]) -> GanFile:
    """Return what was trained as the content of a `gan.h5`.

    Raises
    ------
    NasbenchSuiteError
        When nothing is.
    """
    rows = sorted(set().union(*found.values()))
    if not rows:
        raise NasbenchSuiteError(f"nothing of {plan.benchmark} is trained yet; run the build first.")
    recipe = get_gan_recipe(plan.recipe)
    place = {row: at for at, row in enumerate(rows)}
    environments = _distinct([one.ran_on for of in found.values() for one in of.values()])
    seeds, checkpoints = len(plan.seeds), recipe.checkpoints
    ran_on = np.full((seeds, len(rows)), -1, dtype=np.int8)
    curves = {name: np.full((seeds, checkpoints, len(rows)), np.nan, dtype=np.float32) for name in CURVES}
    seconds = np.full((seeds, len(rows)), np.nan, dtype=np.float32)
    shape = next(one.samples.shape for of in found.values() for one in of.values())
    samples = np.zeros((len(rows), *shape), dtype=np.float16)
    for at, seed in enumerate(plan.seeds):
        for row, one in found[seed].items():
            ran_on[at, place[row]] = environments.index(one.ran_on)
            seconds[at, place[row]] = one.train_seconds
            for name in CURVES:
                curves[name][at, :, place[row]] = one.curves[name]
            if at == 0:
                samples[place[row]] = one.samples
    texts = dict(zip(rows, gan_space(plan.space).format(plan.architectures[rows]), strict=True))
    accuracy = load_classifier(classifier_path(plan.data)).accuracy
    return GanFile(
        description=GanDescription(
            request=plan.request,
            space=plan.space,
            seeds=plan.seeds,
            asked=[len(plan.rows(seed)) for seed in plan.seeds],
            steps=[recipe.steps // checkpoints * (k + 1) for k in range(checkpoints)],
            data=get_gan_data(plan.data).load().provenance,
            classifier=", ".join(f"{split} accuracy {value:.4f}" for split, value in accuracy.items()),
            environments=environments,
            failures={
                str(seed): {texts[row]: one.failure for row, one in of.items() if one.failure}
                for seed, of in found.items()
            },
        ),
        genes=plan.architectures[rows],
        ran_on=ran_on,
        curves=curves,
        train_seconds=seconds,
        samples=samples,
    )


def _distinct(environments: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({json.dumps(one, sort_keys=True): one for one in environments}.values())
