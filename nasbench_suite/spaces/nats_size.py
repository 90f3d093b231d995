"""The size search space of NATS-Bench: how many channels each of five layers has.

Dong, Liu, Musial, Gabrys: "NATS-Bench" (TPAMI 2021), search space S_s. Each layer has 8, 16, ..., 64
channels: 8^5 = 32,768 networks.
"""

import re

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError
from nasbench_suite.spaces.base import Codes, Genes
from nasbench_suite.spaces.categorical import CategoricalSpace

CHANNELS = (8, 16, 24, 32, 40, 48, 56, 64)
"""Numbers of channels of a layer, in the benchmark's order."""
N_LAYERS = 5


class NatsSizeSpace(CategoricalSpace):
    """Gene `i` is the place in `CHANNELS` of the number of channels of layer `i`.

    The official index of a network is the number of its gene row: the authors list the networks in the order
    of `itertools.product`. No two networks are isomorphic.

    Mutation draws a layer and then its channels over all eight numbers, so that one mutant in eight equals
    its parent, as in the published regularized evolution (AutoDL-Projects, `mutate_size_func`).
    """

    def __init__(self) -> None:
        super().__init__("nats_size", (len(CHANNELS),) * N_LAYERS, mutation_may_keep=True)

    def _representatives(self) -> NDArray[np.int32]:
        return np.arange(self.n_codes, dtype=np.int32)

    def index(self, genes: Genes) -> Codes:
        """Return the official index (0..32767) of every row."""
        return self.encode(genes)

    def parse(self, text: str) -> Genes:
        """Read channels such as `8:8:8:16:32`, or an official index such as `284`."""
        if re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
            return self._from_index(int(text))
        layers = text.split(":")
        if len(layers) != N_LAYERS:
            raise ArchitectureError(
                f"{text!r} describes {len(layers)} layer(s) between ':' signs; a network of space "
                f"{self.name!r} has {N_LAYERS}, for example 8:8:8:16:32."
            )
        starts = np.cumsum([0] + [len(layer) + 1 for layer in layers]).tolist()
        genes = [
            self._parse_layer(text, layer, place) for layer, place in zip(layers, starts[:-1], strict=True)
        ]
        return np.array(genes, dtype=np.uint8)

    @staticmethod
    def _parse_layer(text: str, layer: str, place: int) -> int:
        known = [str(channels) for channels in CHANNELS]
        if layer.strip() not in known:
            raise ArchitectureError(
                f"character {place + 1} of {text!r}: a layer cannot have {layer.strip()!r} channels; "
                f"write {', '.join(known[:-1])} or {known[-1]}."
            )
        return known.index(layer.strip())

    def _from_index(self, index: int) -> Genes:
        if index >= self.n_codes:
            raise ArchitectureError(f"index {index} is out of range; networks are numbered 0 to 32767.")
        row: Genes = self.decode(np.array([index]))[0]
        return row

    def format(self, genes: Genes) -> list[str]:
        """Write every row as channels, `8:8:8:16:32`."""
        self.encode(genes)
        return [":".join(str(CHANNELS[gene]) for gene in row) for row in genes.tolist()]
