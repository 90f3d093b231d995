"""Generators that were trained, kept: see `training/store.py`."""

from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.spaces import Genes
from nasbench_suite.training.gan.curves import GanCurves
from nasbench_suite.training.gan.plan import GanPlan
from nasbench_suite.training.gan.setting import GanSetting, gan_setting_of
from nasbench_suite.training.gan.train import cpu_group, train_gans
from nasbench_suite.training.store import TrainingStore


class KeptGans(TrainingStore[GanCurves]):
    """Trains generators of a task, each against its own discriminator, and keeps their curves, one row each.

    Parameters
    ----------
    plan
        What is made, and how.
    folder
        Where trainings are stored, and looked for; None: they are kept in memory alone.
    device
        Where they are trained: `cpu` or `cuda`.
    """

    def __init__(self, plan: GanPlan, *, folder: Path | None = None, device: str = "cpu"):
        super().__init__(plan.space, folder)
        self.plan, self.device = plan, device

    @cached_property
    def setting(self) -> GanSetting:
        """The data and the classifier, on the device.

        Raises
        ------
        NasbenchSuiteError
            When the files of the data are not there (says where they were looked for and how to get them),
            or the device is not.
        """
        return gan_setting_of(self.plan.task, device=self.device)

    @property
    def request(self) -> str:
        """Everything but seed and architecture that determines a result, as text."""
        return f"{self.plan.request} {self.setting.data.provenance} {self.device}"

    @property
    def together(self) -> int:
        """How many are trained before any is stored."""
        return cpu_group(self.setting.data) if self.device == "cpu" else self.plan.cuda_block

    @property
    def part(self) -> int:
        """How many a worker trains at once; 0 on a GPU."""
        return self.together if self.device == "cpu" else 0

    def trained(self, genes: Genes, seed: int) -> list[GanCurves]:
        """Train generators, all at once."""
        setting = self.setting
        curves = train_gans(
            *(genes, self.plan.space, setting.recipe),
            data=setting.data,
            classifier=setting.classifier,
            seed=seed,
            device=self.device,
            capture=self.device == "cuda",
        )
        return [curves.take(row) for row in range(len(genes))]

    def packed(self, one: GanCurves) -> Mapping[str, NDArray[Any]]:
        """Return all of its arrays by name."""
        return {field.name: np.asarray(getattr(one, field.name)) for field in fields(GanCurves)}

    def unpacked(self, arrays: Mapping[str, NDArray[Any]]) -> GanCurves:
        """Return the curves of which this is stored."""
        kept: dict[str, Any] = {field.name: arrays[field.name] for field in fields(GanCurves)}
        kept["failures"] = tuple(map(str, kept["failures"]))
        return GanCurves(**kept)
