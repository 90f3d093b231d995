"""The classifiers whose features judge generators: small, shipped, and made again by this module.

    python -m nasbench_suite.training.gan.classifier mnist1d

What Inception v3 is to photographs, they are to their data. A cell of NATS-Bench's topology space, three
stages of it; the accuracy lies beside it in `tabular/gan-*/classifier.toml`.
"""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.sealed import Kind, open_sealed, write_sealed
from nasbench_suite.spaces import get_space
from nasbench_suite.storage import write_whole
from nasbench_suite.training.data import TrainingData
from nasbench_suite.training.gan.data import GAN_DATA, get_gan_data
from nasbench_suite.training.networks import Network, Skeleton
from nasbench_suite.training.operations import Dims, ReluConvNorm, global_average
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Trainer, predict

KIND = Kind("classifier", 1, "get it again, or run python -m nasbench_suite.training.gan.classifier NAME")
CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|skip_connect~1|nor_conv_3x3~2|"
WIDTH = 16
_IMAGES_AT_ONCE = 50
"""Images that a CPU classifies at a time: what layers make of more leaves its cache (1.0 ms each by 500)."""
_SEED = 0


def classifier_path(name: str) -> Path:
    """Return where the shipped classifier of a data set lies.

    Raises
    ------
    UnknownNameError
        When generators of no task learn to make it.
    """
    return get_gan_data(name).folder / "classifier.h5"


@dataclass(frozen=True, eq=False)
class Classifier:
    """A classifier in inference.

    Attributes
    ----------
    network
        In evaluation, its normalisations merged into its convolutions.
    accuracy
        What it classifies rightly of the inputs to validate and to test, 0..1, by name of split.
    shape
        Channels and size of its inputs.
    classes
        How many there are.
    """

    network: Network
    accuracy: Mapping[str, float]
    shape: tuple[int, ...]
    classes: int

    @torch.no_grad()
    def __call__(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return features `[n, 64]` and log likelihoods `[n, classes]` of inputs `[n, channels, *size]`."""
        few = inputs.device.type == "cpu" and inputs.ndim == 4
        parts = torch.split(inputs, _IMAGES_AT_ONCE if few else len(inputs))
        features = torch.cat([global_average(self.network.features(part)) for part in parts])
        return features, torch.log_softmax(self.network.classifier(features), 1)


def train_classifier(data: TrainingData, path: Path, epochs: int) -> dict[str, float]:
    """Train a classifier and write it to a file; return its accuracy by split."""
    network = _network(data.shape, data.classes)
    Trainer().train(network, data, replace(get_recipe("short"), epochs=epochs), seed=_SEED)
    accuracy = {split: _accuracy(network, data, getattr(data, split)) for split in ("valid", "test")}

    def fill(file: h5py.File) -> None:
        file.attrs.update(accuracy)
        file.attrs.update({"shape": data.shape, "classes": data.classes})
        for name, value in network.state_dict().items():
            file[name] = value.contiguous().numpy()

    write_sealed(path, KIND, fill)
    return accuracy


def load_classifier(path: Path, device: str | torch.device = "cpu") -> Classifier:
    """Read a classifier.

    Raises
    ------
    DamagedFileError
        When the file is damaged, or of another network.
    NasbenchSuiteError
        When there is none.
    """
    with open_sealed(path, KIND) as file:
        shape, classes = tuple(map(int, file.attrs["shape"])), int(file.attrs["classes"])
        network = _network(shape, classes)
        for name, target in network.state_dict().items():
            value: NDArray[np.generic] = np.asarray(file[name])
            if value.shape != tuple(target.shape) or not np.isfinite(value).all():
                raise KIND.damaged(path)
            target.copy_(torch.from_numpy(value))
        accuracy = {split: float(file.attrs[split]) for split in ("valid", "test")}
    merged = cast(Network, _merged(network.eval()).to(device))
    return Classifier(merged, accuracy, shape, classes)


def _network(shape: tuple[int, ...], classes: int) -> Network:
    genes = get_space("nats_topology").parse(CELL)
    dims: Dims = 1 if len(shape) == 2 else 2
    skeleton = Skeleton(inputs=shape[0], classes=classes, dims=dims, width=WIDTH, depth=1, style="light")
    return cast(Network, initial_network("nats_topology", genes, skeleton, _SEED))


def _merged(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, ReluConvNorm):
            module.conv = fuse_conv_bn_eval(module.conv, module.norm)
            module.norm = nn.Identity()  # type: ignore[assignment]  # merged
    return network.requires_grad_(False)


def _accuracy(network: nn.Module, data: TrainingData, indices: Tensor) -> float:
    likelihood, labels = predict(network, data, indices)
    return float((likelihood.argmax(1) == labels).double().mean())


def _main() -> None:
    asked = argparse.ArgumentParser(description="Train the classifier whose features judge generators.")
    asked.add_argument("data", choices=sorted(GAN_DATA), help="what it classifies")
    known = get_gan_data(asked.parse_args().data)
    data, path = known.load(), classifier_path(known.name)
    accuracy = train_classifier(data, path, known.classifier_epochs)
    lines = (
        "# The classifier whose features judge generators; made by: "
        f"python -m nasbench_suite.training.gan.classifier {known.name}",
        f'cell = "{CELL}"',
        f"width = {WIDTH}",
        f"shape = {list(data.shape)}",
        f"epochs = {known.classifier_epochs}",
        *(f"{split}_accuracy = {accuracy[split]:.4f}" for split in ("valid", "test")),
    )
    write_whole(path.with_suffix(".toml"), "\n".join((*lines, "")).encode())
    print(f"{path}: {accuracy}")


if __name__ == "__main__":
    try:
        _main()
    except NasbenchSuiteError as problem:
        raise SystemExit(str(problem)) from problem
