"""What a build trains: `tabular/NAME/build.toml`, and the blocks that it falls into."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr

from nasbench_suite.cards import Card, Text, read_card
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.spaces import CategoricalSpace, Genes, JointSpace, get_space
from nasbench_suite.training.data import TrainingData, load_data
from nasbench_suite.training.groups import REVISION, group_size
from nasbench_suite.training.many import why_not_together
from nasbench_suite.training.networks import Skeleton
from nasbench_suite.training.recipes import get_recipe

Positive = Annotated[int, Field(gt=0)]
Rows = NDArray[np.int64]
"""Places of architectures among those of a plan, int64 `[n]`."""
_IN_THE_BLOCK = {"seeds", "sample", "limit", "block", "task", "benchmark"}
"""What of a plan decides which trainings there are, not what comes of one."""


class DataEntry(Card):
    """`[data]` of a build: the data set and how many inputs are for what."""

    name: Text
    train: Positive
    valid: Positive
    test: Positive
    seed: int = 42


class SkeletonEntry(Card):
    """`[skeleton]` of a build; see `Skeleton`."""

    inputs: Positive
    classes: Positive
    dims: Annotated[int, Field(ge=1, le=2)]
    width: Positive
    depth: Positive = 1
    style: Text

    def skeleton(self) -> Skeleton:
        """Return the skeleton itself.

        Raises
        ------
        NasbenchSuiteError
            When there is none of that style.
        """
        return Skeleton(**self.model_dump())


class BuildPlan(Card):
    """`build.toml`: what is trained, on what, how.

    Attributes
    ----------
    benchmark
        Name of the folder.
    task
        The task that the table answers for.
    space
        Every class of isomorphic architectures of it is trained once per seed.
    recipe
        Name of a training recipe.
    seeds
        One training of each architecture by each.
    block
        Architectures of a block: what a killed process loses at most.
    sample
        How many architectures, drawn at random with seed 0, are trained with each seed after the first; 0 for
        all.
    limit
        How many are trained at all, drawn at random with seed 0; 0 for all. For a pilot.
    """

    benchmark: Text
    task: Text
    space: Text
    recipe: Text
    seeds: Annotated[list[int], Field(min_length=1)]
    block: Positive = 32
    sample: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=0)] = 0
    data: DataEntry
    skeleton: SkeletonEntry
    _together: int = PrivateAttr(default=0)  # not in the dump: what a plan asks for depends on no device

    @cached_property
    def architectures(self) -> Genes:
        """One architecture of each class, by number, uint8 `[n, n_genes]`.

        Raises
        ------
        NasbenchSuiteError
            When the space is too large to be trained whole.
        """
        space = get_space(self.space)
        if not isinstance(space, CategoricalSpace):
            raise NasbenchSuiteError(f"space {self.space} is too large to train every architecture of it.")
        codes = space.representative_of_code
        return space.decode(np.unique(codes[codes >= 0]).astype(np.int64))

    @property
    def base(self) -> dict[str, object]:
        """What determines a training besides architecture and seed; builds that differ in it do not mix."""
        plan = self.model_dump(exclude=_IN_THE_BLOCK)
        return {"plan": plan, "recipe": asdict(get_recipe(self.recipe)), "revision": REVISION}

    def load_data(self, device: str) -> TrainingData:
        """Return the data on a device; the same object for the same data."""
        return _load(self.data.model_dump_json(), device)

    def check(self, data: TrainingData) -> None:
        """Check that the skeleton is one for these data.

        Raises
        ------
        NasbenchSuiteError
            When it takes other inputs or has other classes.
        """
        asked = (self.skeleton.inputs, self.skeleton.dims, self.skeleton.classes)
        given = (data.shape[0], data.dims, data.classes)
        if asked != given:
            raise NasbenchSuiteError(
                f"the skeleton of {self.benchmark} takes {asked[0]} channels in {asked[1]} dimension(s) and "
                f"has {asked[2]} classes, but {data.name} has {given[0]}, {given[1]} and {given[2]}; correct "
                "its build.toml."
            )
        space, recipe = get_space(self.space), get_recipe(self.recipe)
        batches = space.grid.numbers.get("batch", ()) if isinstance(space, JointSpace) else ()
        uneven = [int(batch) for batch in batches if recipe.drop_last and len(data.train) % batch]
        if uneven:
            raise NasbenchSuiteError(
                f"batches of {uneven[0]} leave some of {len(data.train):,} training inputs out, so that "
                f"settings of {self.benchmark} would see different data; change train in its build.toml."
            )

    def for_device(self, device: str) -> "BuildPlan":
        """Return the plan with blocks of what a GPU trains together, where that is more than a block.

        Raises
        ------
        NasbenchSuiteError
            When the data cannot be loaded.
        """
        if device == "cpu":  # trains few together, and many blocks at a time
            return self
        space = get_space(self.space)
        name = space.architecture_space.name if isinstance(space, JointSpace) else self.space
        skeleton, data = self.skeleton.skeleton(), self.load_data("cpu")
        if why_not_together(name, skeleton, data, get_recipe(self.recipe)):
            return self
        plan = self.model_copy()
        plan._together = group_size(device, len(self.architectures))
        return plan

    def rows(self, seed: int) -> Rows:
        """Return which architectures are trained with a seed of the plan, ascending."""
        rows = np.arange(len(self.architectures))
        if 0 < self.limit < len(rows):
            rows = np.sort(np.random.default_rng(0).choice(rows, self.limit, replace=False))
        if seed != self.seeds[0] and 0 < self.sample < len(rows):
            rows = np.sort(np.random.default_rng(0).choice(rows, self.sample, replace=False))
        return rows

    def blocks(self) -> list["Block"]:
        """Return all blocks, in order: every architecture with the first seed, then with the others."""
        return [
            Block(self, seed, number, part)
            for seed in self.seeds
            for number, part in enumerate(self._parts(self.rows(seed)))
        ]

    def _parts(self, rows: Rows) -> Iterator[Rows]:
        """Yield blocks of rows; what is trained in different ways is in different blocks."""
        space = get_space(self.space)
        ways = np.zeros(len(rows), dtype=np.int64)
        if isinstance(space, JointSpace):
            ways = space.setting_number(self.architectures[rows])
        for way in np.unique(ways):
            own = rows[ways == way]
            size = max(self.block, self._together)
            for start in range(0, len(own), size):
                yield own[start : start + size]


@lru_cache(maxsize=1)
def _load(entry: str, device: str) -> TrainingData:
    return load_data(**DataEntry.model_validate_json(entry).model_dump(), device=device)


@dataclass(frozen=True)
class Block:
    """Some architectures to be trained with one seed."""

    plan: BuildPlan
    seed: int
    number: int
    rows: Rows

    @property
    def file(self) -> str:
        """The name of the block's file."""
        return f"seed-{self.seed}-block-{self.number:04d}.npz"

    @property
    def genes(self) -> Genes:
        """The block's architectures, uint8 `[n, n_genes]`."""
        return self.plan.architectures[self.rows]

    @property
    def request(self) -> str:
        """Everything that determines the result, as text: a stored block with another one is not used."""
        return json.dumps({**self.plan.base, "seed": self.seed, "rows": self.rows.tolist()}, sort_keys=True)


def read_plan(path: Path) -> BuildPlan:
    """Read a `build.toml` and check all that can be checked without the data.

    Raises
    ------
    CardError
        When it cannot be read or has a wrong key or value; names the key and the line.
    NasbenchSuiteError
        When it names a space, recipe or skeleton that there is not.
    """
    if not path.is_file():
        raise NasbenchSuiteError(f"there is no {path}; give the build.toml of a table.")
    plan = read_card(path, BuildPlan)
    if len(set(plan.seeds)) != len(plan.seeds) or min(plan.seeds) < 0:
        raise NasbenchSuiteError(
            f"{path}: seeds are different whole numbers of at least 0, not {plan.seeds}."
        )
    get_recipe(plan.recipe)
    plan.skeleton.skeleton()
    plan.architectures  # noqa: B018  # finding them is the check
    return plan
