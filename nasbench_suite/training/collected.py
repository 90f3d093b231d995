"""What a build has trained so far, by its blocks and an earlier file of curves; and the file made of it."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.tabular.curve_file import (
    COUNTS,
    SECONDS,
    SPLITS,
    CurveDescription,
    CurveFile,
    count_correct,
    read_curve_file,
    write_curve_file,
)
from nasbench_suite.training.blocks import read_block
from nasbench_suite.training.counting import count_many
from nasbench_suite.training.curves import LearningCurves
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.environment import Environment, environment
from nasbench_suite.training.plan import Block, BuildPlan, Rows
from nasbench_suite.training.recipes import get_recipe

_CURVES = tuple(field.name for field in fields(LearningCurves) if field.name != "failures")


class SeedCurves(NamedTuple):
    """What was trained with one seed: which architectures of the plan, their curves, and what each ran on."""

    seed: int
    rows: Rows
    curves: LearningCurves
    ran_on: tuple[Environment, ...]


class EarlierCurves:
    """A file of curves as a source of trainings that need not be made again.

    Parameters
    ----------
    path
        The file; there may be none.
    plan
        What is built.

    Raises
    ------
    DamagedFileError
        When it is damaged.
    NasbenchSuiteError
        When it is of another build.
    """

    def __init__(self, path: Path | None, plan: BuildPlan):
        self.file = read_curve_file(path) if path is not None and path.exists() else None
        self.place: dict[bytes, int] = {}
        self.path, self.plan = path, plan
        if self.file is None:
            return
        if self.file.description.request != request_of(plan):
            raise NasbenchSuiteError(
                f"{path} is of another build (another plan, recipe or revision of the trainer); move it away "
                "to train everything again."
            )
        self.place = {row.tobytes(): place for place, row in enumerate(self.file.genes)}

    def places(self, seed: int, rows: Rows) -> NDArray[np.int64]:
        """Return where in the file architectures are that it has with this seed, int64 `[n]`; -1 if not."""
        if self.file is None or seed not in self.file.description.seeds:
            return np.full(len(rows), -1)
        genes = self.plan.architectures[rows]
        places = np.array([self.place.get(row.tobytes(), -1) for row in genes], dtype=np.int64)
        ran_on = self.file.ran_on[self.file.description.seeds.index(seed)]
        return np.where((places >= 0) & (ran_on[places] >= 0), places, -1)

    def has(self, block: Block) -> bool:
        """Tell whether all of a block's trainings are in the file."""
        return bool((self.places(block.seed, block.rows) >= 0).all())

    def check_none_lost(self) -> None:
        """Check that all trainings of the file are asked for by the plan.

        Raises
        ------
        NasbenchSuiteError
            When some are not.
        """
        if self.file is None:
            return
        kept = sum(int((self.places(seed, self.plan.rows(seed)) >= 0).sum()) for seed in self.plan.seeds)
        lost = sum(self.file.trained()) - kept
        if lost:
            raise NasbenchSuiteError(
                f"{self.path} holds {lost:,} trainings that the plan does not ask for (other seeds, sample "
                "or limit), which would be lost; change the plan, or move the file away."
            )

    def take(self, seed: int, places: NDArray[np.int64]) -> tuple[LearningCurves, list[Environment]]:
        """Return the curves at some places of the file, and what they ran on."""
        assert self.file is not None
        file, at = self.file, self.file.description.seeds.index(seed)
        arrays = {f"{split}_accuracy": file.accuracy(split)[at] for split in SPLITS}
        arrays |= {f"{split}_loss": file.loss[split][at] for split in SPLITS}
        arrays |= {f"{name}_seconds": file.seconds[name][at] for name in SECONDS}
        texts = get_space(self.plan.space).format(file.genes[places])
        why = file.description.failures.get(str(seed), {})
        curves = LearningCurves(
            **{name: array[:, places].T.astype(np.float64) for name, array in arrays.items()},
            peak_bytes=file.peak_bytes[at, places],
            failures=tuple(why.get(text, "") for text in texts),
        )
        return curves, [file.description.environments[place] for place in file.ran_on[at, places]]


def request_of(plan: BuildPlan) -> str:
    """Return, as text, what determines a training besides its architecture and seed."""
    return json.dumps(plan.base, sort_keys=True)


def gather(plan: BuildPlan, folder: Path, earlier: Path | None = None) -> list[SeedCurves]:
    """Return what of a plan is trained, seed by seed; a block counts before what an earlier file has.

    Raises
    ------
    DamagedFileError
        When a block or the file is damaged.
    NasbenchSuiteError
        When one is of another build.
    """
    file = EarlierCurves(earlier, plan)
    here = environment("cpu")
    found: list[SeedCurves] = []
    for seed in plan.seeds:
        parts = [_trained(block, folder, file, here) for block in plan.blocks() if block.seed == seed]
        rows = np.concatenate([part.rows for part in parts])
        curves = LearningCurves.concatenate([part.curves for part in parts])
        found.append(SeedCurves(seed, rows, curves, tuple(e for part in parts for e in part.ran_on)))
    return found


def _trained(block: Block, folder: Path, earlier: EarlierCurves, here: Environment) -> SeedCurves:
    """Return what there is of a block."""
    stored = read_block(block, folder)
    if stored is not None:
        ran_on = stored.ran_on or here | {"recorded": "when the table was made, not when it was trained"}
        return SeedCurves(block.seed, block.rows, stored.curves, (ran_on,) * len(block.rows))
    places = earlier.places(block.seed, block.rows)
    has = places >= 0
    if not has.any():
        nothing = LearningCurves.empty(0, get_recipe(block.plan.recipe).epochs)
        return SeedCurves(block.seed, block.rows[:0], nothing, ())
    curves, ran_on_each = earlier.take(block.seed, places[has])
    return SeedCurves(block.seed, block.rows[has], curves, tuple(ran_on_each))


def collect(plan: BuildPlan, folder: Path, earlier: Path | None = None) -> list[SeedCurves]:
    """Return everything that the plan asks for; see `gather`.

    Raises
    ------
    NasbenchSuiteError
        When something is not trained yet.
    """
    found = gather(plan, folder, earlier)
    lacking = sum(len(plan.rows(part.seed)) - len(part.rows) for part in found)
    if lacking:
        raise NasbenchSuiteError(f"{lacking} trainings are missing in {folder}; run the build again.")
    return found


def save_curves(
    plan: BuildPlan, folder: Path, path: Path, *, earlier: Path | None = None, partial: bool = False
) -> CurveFile:
    """Write the file of curves of a build, taking from an earlier one what no block has.

    Parameters
    ----------
    plan, folder
        What was built, and where its blocks are.
    path
        The file.
    earlier
        The earlier one; what is at `path` without it.
    partial
        Write it also when not everything is trained yet.

    Raises
    ------
    NasbenchSuiteError
        When trainings are missing, the earlier file has some that the plan does not ask for, which would be
        lost, or the file cannot be written.
    """
    EarlierCurves(path, plan).check_none_lost()
    found = (gather if partial else collect)(plan, folder, earlier or path)
    if not any(len(part.rows) for part in found):
        raise NasbenchSuiteError(f"nothing is trained yet in {folder}; run the build first.")
    content = as_curve_file(plan, found, plan.load_data("cpu"))
    write_curve_file(content, path)
    return content


def as_curve_file(plan: BuildPlan, found: Sequence[SeedCurves], data: TrainingData) -> CurveFile:
    """Return what was trained as the content of a file of curves."""
    rows = np.unique(np.concatenate([part.rows for part in found]))
    genes = plan.architectures[rows]
    environments = list({json.dumps(e): e for part in found for e in part.ran_on}.values())
    inputs = inputs_counted(plan, data)
    spread = {name: np.stack([_spread(part, rows, name) for part in found]) for name in _CURVES}
    counts = count_many(plan.space, genes, plan.skeleton.skeleton(), data.shape)
    ran_on = np.full((len(found), len(rows)), -1, dtype=np.int8)
    for at, part in enumerate(found):
        ran_on[at, np.searchsorted(rows, part.rows)] = [environments.index(e) for e in part.ran_on]
    return CurveFile(
        description=CurveDescription(
            plan=plan.model_dump_json(),
            request=request_of(plan),
            space=plan.space,
            seeds=[part.seed for part in found],
            asked=[len(plan.rows(part.seed)) for part in found],
            epochs=get_recipe(plan.recipe).epochs,
            inputs=inputs,
            data=data.provenance,
            environments=environments,
            failures={str(part.seed): _failures(plan, part) for part in found},
        ),
        genes=genes,
        ran_on=ran_on,
        counts={name: getattr(counts, name) for name in COUNTS},
        peak_bytes=spread["peak_bytes"].astype(np.int64),
        correct={split: count_correct(spread[f"{split}_accuracy"], inputs[split]) for split in SPLITS},
        loss={split: spread[f"{split}_loss"].astype(np.float32) for split in SPLITS},
        seconds={name: spread[f"{name}_seconds"].astype(np.float32) for name in SECONDS},
    )


def inputs_counted(plan: BuildPlan, data: TrainingData) -> dict[str, int]:
    """Return how many inputs a result of each split counts; training may leave out a smaller last batch."""
    recipe, train = get_recipe(plan.recipe), len(data.train)
    seen = recipe.steps(train) * recipe.batch if recipe.drop_last else train
    return {"train": seen, "valid": len(data.valid), "test": len(data.test)}


def _spread(part: SeedCurves, rows: Rows, name: str) -> NDArray[np.float64]:
    """Return an array of the curves for all rows of the file, `[epochs, rows]` or `[rows]`."""
    nothing = LearningCurves.empty(len(rows), part.curves.train_loss.shape[1])
    values: NDArray[np.float64] = getattr(nothing, name)
    values[np.searchsorted(rows, part.rows)] = getattr(part.curves, name)
    return values.T


def _failures(plan: BuildPlan, part: SeedCurves) -> dict[str, str]:
    genes: Genes = plan.architectures[part.rows]
    texts = get_space(plan.space).format(genes)
    return {text: why for text, why in zip(texts, part.curves.failures, strict=True) if why}
