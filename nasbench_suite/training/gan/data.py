"""The signals and images that generators learn to make, by name, and where what is kept of them lies."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nasbench_suite.content import content_root
from nasbench_suite.errors import UnknownNameError
from nasbench_suite.training.data import TrainingData, load_data


@dataclass(frozen=True)
class GanData:
    """What generators of a task learn to make.

    Attributes
    ----------
    name
        What `load_data` knows it by.
    train, valid, test
        How many inputs of each part; all if None.
    classifier_epochs
        For how long the classifier is trained that judges them.
    white
        The brightest value of a pixel; the darkest is 0.
    """

    name: str
    train: int | None = None
    valid: int | None = None
    test: int | None = None
    classifier_epochs: int = 10
    white: int = 255

    @property
    def folder(self) -> Path:
        """The folder of the table, where the classifier lies."""
        return content_root() / "tabular" / f"gan-{self.name}"

    def load(self, device: str | torch.device = "cpu") -> TrainingData:
        """Return the inputs: signals as they are, pixels from -1 to 1, where a generator's tanh ends.

        Raises
        ------
        NasbenchSuiteError
            When its files are not there; says where they were looked for and how to get them.
        """
        data = load_data(self.name, device=device, train=self.train, valid=self.valid, test=self.test)
        if data.inputs.dtype != torch.uint8:
            return data
        middle = (self.white / 2,) * data.shape[0]
        return replace(data, mean=middle, std=middle, augmentation=None)


GAN_DATA: Mapping[str, GanData] = {
    data.name: data
    for data in (
        GanData("mnist1d", train=4000, valid=5000, test=5000, classifier_epochs=25),
        GanData("fashion_mnist"),
    )
}
"""Every one by name."""


def get_gan_data(name: str) -> GanData:
    """Return what is made by name.

    Raises
    ------
    UnknownNameError
        When there is none.
    """
    if name not in GAN_DATA:
        raise UnknownNameError("data set of GANs", name, GAN_DATA)
    return GAN_DATA[name]
