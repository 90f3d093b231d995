"""An ensemble of perceptrons, as BANANAS has it (White, Neiswanger, Savani: AAAI 2021, section 4)."""

import numpy as np
import torch
from numpy.typing import NDArray

from nasbench_suite.surrogates.descent import Descent
from nasbench_suite.surrogates.mlp_bank import MlpBank
from nasbench_suite.surrogates.regressor import Arrays, Surrogate, Values

_ROWS_AT_ONCE = 16384


class MlpEnsemble(Surrogate):
    """Perceptrons that differ in their initial weights and the order of their samples.

    Parameters
    ----------
    members, layers, units
        Number of perceptrons, their hidden layers, and units of each of these.
    epochs, batch, learning_rate, weight_decay
        See `Descent`.
    absolute
        Whether the loss is the mean absolute error, not the mean squared one.
    seed
        Of weights and orders.

    Attributes
    ----------
    bank_
        The perceptrons.
    """

    name = "mlp"

    def __init__(
        self,
        members: int = 5,
        layers: int = 3,
        units: int = 64,
        epochs: int = 200,
        batch: int = 32,
        learning_rate: float = 0.01,
        weight_decay: float = 1e-3,
        absolute: bool = False,
        seed: int = 0,
    ):
        self.members = members
        self.layers = layers
        self.units = units
        self.epochs = epochs
        self.batch = batch
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.absolute = absolute
        self.seed = seed

    def fit_standardised(self, features: NDArray[np.float32], targets: Values) -> None:
        """Train all members at once; see `Surrogate.fit_standardised`."""
        rng = np.random.default_rng(self.seed)
        self.bank_ = MlpBank.drawn(self.members, [features.shape[1], *[self.units] * self.layers, 1], rng)
        how = Descent(self.epochs, self.batch, self.learning_rate, weight_decay=self.weight_decay)
        self.bank_.fit(features[None], targets[None], how, rng, absolute=self.absolute)

    def members_standardised(self, features: NDArray[np.float32]) -> Values:
        """Return predictions of all members; see `Surrogate.members_standardised`."""
        starts = range(0, max(1, len(features)), _ROWS_AT_ONCE)
        parts = [self.bank_.predict(features[None, start : start + _ROWS_AT_ONCE])[0] for start in starts]
        return np.concatenate(parts, axis=1)

    def state(self) -> Arrays:
        """Return weights and biases of every layer."""
        bank = self.bank_
        weights = {f"weight_{layer}": w.detach().numpy() for layer, w in enumerate(bank.weights)}
        return {**weights, **{f"bias_{layer}": b.detach().numpy() for layer, b in enumerate(bank.biases)}}

    def restore(self, arrays: Arrays) -> None:
        """Take over what `state` returned."""
        layers = range(len(arrays) // 2)
        read = {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in arrays.items()}
        self.bank_ = MlpBank(
            [read[f"weight_{layer}"] for layer in layers], [read[f"bias_{layer}"] for layer in layers]
        )
