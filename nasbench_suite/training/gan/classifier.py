"""The classifier of signals whose features judge generators: small, shipped, and made again by this module.

    python -m nasbench_suite.training.gan.classifier

What Inception v3 is to images, it is to MNIST-1D. A cell of NATS-Bench's topology space, three stages of
it; its accuracy lies beside it in `tabular/gan-mnist1d/classifier.toml`.
"""

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

from nasbench_suite.content import content_root
from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.sealed import Kind, open_sealed, write_sealed
from nasbench_suite.spaces import get_space
from nasbench_suite.storage import write_whole
from nasbench_suite.training.data import TrainingData, load_data
from nasbench_suite.training.gan.recipe import LENGTH
from nasbench_suite.training.networks import Network, Skeleton
from nasbench_suite.training.operations import ReluConvNorm, global_average
from nasbench_suite.training.recipes import get_recipe
from nasbench_suite.training.seeds import initial_network
from nasbench_suite.training.trainer import Trainer, predict

KIND = Kind("signal classifier", 1, "get it again, or run python -m nasbench_suite.training.gan.classifier")
CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|skip_connect~1|nor_conv_3x3~2|"
SKELETON = Skeleton(inputs=1, classes=10, dims=1, width=16, depth=1, style="light")
EPOCHS = 25
_SEED = 0


def gan_data() -> TrainingData:
    """Return the signals: 4,000 to train, 5,000 to validate, 5,000 to test."""
    return load_data("mnist1d", train=4000, valid=5000, test=5000)


def classifier_path() -> Path:
    """Return where the shipped classifier lies."""
    return content_root() / "tabular" / "gan-mnist1d" / "classifier.h5"


@dataclass(frozen=True, eq=False)
class SignalClassifier:
    """A classifier in inference.

    Attributes
    ----------
    network
        In evaluation, its normalisations merged into its convolutions.
    accuracy
        What it classifies rightly of the signals to validate and to test, 0..1, by name of split.
    """

    network: Network
    accuracy: Mapping[str, float]

    @torch.no_grad()
    def __call__(self, signals: Tensor) -> tuple[Tensor, Tensor]:
        """Return features `[n, 64]` and log likelihoods `[n, 10]` of signals `[n, 1, 40]`."""
        features = global_average(self.network.features(signals))
        return features, torch.log_softmax(self.network.classifier(features), 1)


def train_classifier(data: TrainingData, path: Path) -> dict[str, float]:
    """Train the classifier and write it to a file; return its accuracy by split."""
    network = _network()
    Trainer().train(network, data, replace(get_recipe("short"), epochs=EPOCHS), seed=_SEED)
    accuracy = {split: _accuracy(network, data, getattr(data, split)) for split in ("valid", "test")}

    def fill(file: h5py.File) -> None:
        file.attrs.update(accuracy)
        for name, value in network.state_dict().items():
            file[name] = value.numpy()

    write_sealed(path, KIND, fill)
    return accuracy


def load_classifier(path: Path | None = None, device: str | torch.device = "cpu") -> SignalClassifier:
    """Read a classifier; the shipped one by default.

    Raises
    ------
    DamagedFileError
        When the file is damaged, or of another network.
    NasbenchSuiteError
        When there is none.
    """
    path = classifier_path() if path is None else path
    network = _network()
    with open_sealed(path, KIND) as file:
        for name, target in network.state_dict().items():
            value: NDArray[np.generic] = np.asarray(file[name])
            if value.shape != tuple(target.shape) or not np.isfinite(value).all():
                raise KIND.damaged(path)
            target.copy_(torch.from_numpy(value))
        accuracy = {split: float(file.attrs[split]) for split in ("valid", "test")}
    return SignalClassifier(cast(Network, _merged(network.eval()).to(device)), accuracy)


def _network() -> Network:
    genes = get_space("nats_topology").parse(CELL)
    return cast(Network, initial_network("nats_topology", genes, SKELETON, _SEED))


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
    path = classifier_path()
    accuracy = train_classifier(gan_data(), path)
    lines = (
        "# The classifier whose features judge generators; made by: "
        "python -m nasbench_suite.training.gan.classifier",
        f'cell = "{CELL}"',
        f"width = {SKELETON.width}",
        f"length = {LENGTH}",
        f"epochs = {EPOCHS}",
        *(f"{split}_accuracy = {accuracy[split]:.4f}" for split in ("valid", "test")),
    )
    write_whole(path.with_suffix(".toml"), "\n".join((*lines, "")).encode())
    print(f"{path}: {accuracy}")


if __name__ == "__main__":
    try:
        _main()
    except NasbenchSuiteError as problem:
        raise SystemExit(str(problem)) from problem
