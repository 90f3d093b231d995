"""`leaderboards/NAME/costs.toml`: which cost models are judged on which devices, by how many measurements."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nasbench_suite.cards import Card, Text
from nasbench_suite.leaderboards.board_folders import folders_with, rules_in

COSTS = "costs.toml"
FITTED = ("few_shot", "roofline", "operation_sums", "learned")
"""Models that learn from measurements; the others are counted."""
ModelName = Literal["few_shot", "roofline", "operation_sums", "learned", "flops_millions", "params_millions"]


class ModelEntry(Card):
    """A cost model on the board.

    Attributes
    ----------
    model
        `few_shot` chooses what is measured and knows other devices; `roofline`, `operation_sums` and
        `learned` get random architectures; parameters and multiply-adds are counted.
    samples
        Measurements on the new device; 0 where it is counted.
    known_samples
        Architectures whose costs on the other devices `few_shot` knows, drawn at random; the rest are sums
        over operations fitted to these. 0: all of the table.
    """

    model: ModelName
    samples: Annotated[int, Field(ge=0)] = 0
    known_samples: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _samples_where_they_are_used(self) -> Self:
        if (self.model in FITTED) != (self.samples > 0):
            raise ValueError(f"{self.model} takes {'at least one sample' if self.samples == 0 else 'none'}")
        if self.known_samples and self.model != "few_shot":
            raise ValueError(f"{self.model} does not know other devices; leave out known_samples")
        return self

    @property
    def label(self) -> str:
        """What the board calls it."""
        known = f", {self.known_samples} of others" if self.known_samples else ""
        return f"{self.model}, {self.samples} samples{known}" if self.samples else self.model


class PublishedCosts(Card):
    """Rank correlations of a paper, by method, in the order of the unseen devices."""

    source: Text
    rows: dict[str, list[float]]


class CostRules(Card):
    """Rules of a board of cost models.

    Attributes
    ----------
    task
        A table with a column `QUANTITY_DEVICE` or `DEVICE_QUANTITY` per device, as its datasheet says.
    quantity
        What is predicted.
    known, unseen
        Devices whose table is known to `few_shot`, and those that are predicted.
    trim
        Share of the cheapest and of the dearest architectures that is dropped for the trimmed correlation.
    seeds, seed
        Draws of random samples, and the seed of the first.
    """

    title: Text
    about: Text
    task: Text
    quantity: Text
    known: Annotated[list[Text], Field(min_length=1)]
    unseen: Annotated[list[Text], Field(min_length=1)]
    trim: Annotated[float, Field(ge=0, lt=0.5)] = 0.1
    seeds: Annotated[int, Field(ge=1)] = 5
    seed: Annotated[int, Field(ge=0)] = 0
    models: Annotated[list[ModelEntry], Field(min_length=1)]
    published: PublishedCosts | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        both = set(self.known) & set(self.unseen)
        if both:
            raise ValueError(f"{sorted(both)[0]} is both known and unseen")
        for label, values in self.published.rows.items() if self.published else ():
            if len(values) != len(self.unseen):
                raise ValueError(f"published row {label} has {len(values)} values, not {len(self.unseen)}")
        return self


def cost_boards() -> dict[str, Path]:
    """Return the folders of the boards that ship, by name."""
    return folders_with(COSTS)


def read_cost_rules(folder: Path | str) -> tuple[Path, CostRules]:
    """Return the folder and rules of a board of cost models, by its folder or its name.

    Raises
    ------
    CardError
        When the rules cannot be read or do not fit together.
    NasbenchSuiteError
        When there are none.
    """
    return rules_in(folder, COSTS, CostRules, "boards of cost models")
