"""What a result file of NAS-Bench-301 holds, and many of them as arrays.

A file is one JSON object: `optimized_hyperparamater_config` (so spelt; the architecture, with NAS-Bench-301's
`configspace.json`, and the training recipe), `info` (a list of one dictionary, of the last epoch),
`test_accuracy`, `runtime` in seconds and, in the full data, `learning_curves`. Accuracies are per cent. A
cell's node 3, 4 or 5 has a key `inputs_node_CELL_NODE` with its two predecessors, `0_2`; an edge has a key
`edge_CELL_NUMBER` with its operation. The edges into node 2, 3, 4 and 5 are numbered by predecessor, from 0,
2, 5 and 9 on. Sources: a file of the official tests, the official `ConfigLoader`, programs that read curves.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.spaces import Genes
from nasbench_suite.spaces.darts_cell import OPERATIONS
from nasbench_suite.spaces.darts_numbering import PREDECESSORS

_CONFIGURATION = "optimized_hyperparamater_config"
_CELL = "NetworkSelectorDatasetInfo:darts:"
_FIRST_EDGE = {2: 0, 3: 2, 4: 5, 5: 9}
_RECIPE = (
    "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max",
    f"{_CELL}init_channels",
    f"{_CELL}layers",
)
"""What sets the length of the training and the size of the network; the same in all files."""

FINAL = (
    "valid_accuracy",
    "train_accuracy",
    "train_loss",
    "valid_loss",
    "test_accuracy",
    "runtime_seconds",
)
"""What is known after the last epoch."""
CURVES = ("valid_accuracy", "train_accuracy", "train_loss")
"""What is known after every epoch, in the full data."""
_TAGS = ("Train/val_accuracy", "Train/train_accuracy", "Train/train_loss")
_SCALE = np.array([100.0, 100.0, 1.0])


@dataclass(frozen=True)
class Trainings:
    """Trainings, one a row, in the order of their files.

    Attributes
    ----------
    genes, optimizers
        uint8 `[n, 22]`, and the place of the optimiser's folder, int64 `[n]`.
    final, curves, params
        float64 `[n, len(FINAL)]`, `[n, len(CURVES), epochs]` and `[n]`; NaN where a file has no value.
    sums, configurations
        The SHA-256 of every file, and of every configuration.
    recipes, names
        What all trainings must have in common, and where each is from.
    """

    genes: Genes
    optimizers: NDArray[np.int64]
    final: NDArray[np.float64]
    curves: NDArray[np.float64]
    params: NDArray[np.float64]
    sums: list[str]
    configurations: list[str]
    recipes: list[tuple[Any, ...]]
    names: list[str]

    @property
    def has_curves(self) -> bool:
        """Whether any training has values of more than its last epoch."""
        return not np.isnan(self.curves).all()

    def take(self, rows: Sequence[int]) -> "Trainings":
        """Return some of the trainings."""
        return Trainings(
            self.genes[rows],
            self.optimizers[rows],
            self.final[rows],
            self.curves[rows],
            self.params[rows],
            self.sums,
            [self.configurations[row] for row in rows],
            [self.recipes[row] for row in rows],
            [self.names[row] for row in rows],
        )


def read_files(paths: Sequence[Path], optimizer: int) -> Trainings:
    """Read the files of one optimiser.

    Raises
    ------
    DamagedFileError
        When one is no JSON or has another structure: names file and key.
    """
    genes, final, params, curves, sums, configurations, recipes = [], [], [], [], [], [], []
    names = [f"{path.parent.name}/{path.name}" for path in paths]
    for path, name in zip(paths, names, strict=True):
        content = _content(path, name)
        result = _Result(content, name)
        genes.append(result.genes())
        final.append(result.final())
        params.append(result.number("model_parameters", result.info))
        curves.append(result.curves())
        sums.append(hashlib.sha256(content).hexdigest())
        configurations.append(result.configuration_sum())
        recipes.append(tuple(result.configuration.get(key) for key in _RECIPE))
    epochs = max((len(curve) for curve in chain.from_iterable(curves)), default=0)
    padded = np.full((len(paths), len(CURVES), max(epochs, 1)), np.nan)
    for row, lines in enumerate(curves):
        for place, line in enumerate(lines):
            padded[row, place, : len(line)] = line
    return Trainings(
        np.array(genes, dtype=np.uint8),
        np.full(len(paths), optimizer),
        np.array(final),
        padded / _SCALE[:, None],
        np.array(params),
        sums,
        configurations,
        recipes,
        names,
    )


def _content(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise NasbenchSuiteError(f"{name} cannot be read: {problem.strerror}.") from problem


class _Result:
    """One file, checked part by part."""

    def __init__(self, content: bytes, name: str):
        self._name = name
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as problem:
            raise DamagedFileError(f"{name} is truncated or no JSON; fetch it again.") from problem
        info = found.get("info") if isinstance(found, dict) else None
        info = info[0] if isinstance(info, list) and len(info) == 1 else info
        configuration = found.get(_CONFIGURATION) if isinstance(found, dict) else None
        if not isinstance(info, dict) or not isinstance(configuration, dict):
            raise DamagedFileError(
                f"{name} has not 'info' and {_CONFIGURATION!r}; give the folder of the official data."
            )
        self._found: Mapping[str, Any] = found
        self.info: Mapping[str, Any] = info
        self.configuration: Mapping[str, Any] = configuration

    def number(self, key: str, part: Mapping[str, Any], *, needed: bool = True) -> float:
        """Return a number of the file; NaN where it has none and need not."""
        value = part.get(key)
        if value is None and not needed:
            return float("nan")
        if value is None or not _is_number(value):
            raise DamagedFileError(f"{self._name}: {key!r} is {value!r:.40}, no number; fetch it again.")
        return float(value)

    def final(self) -> list[float]:
        """Return the values that `FINAL` names."""
        return [
            self.number("val_accuracy", self.info) / 100,
            self.number("train_accuracy", self.info, needed=False) / 100,
            self.number("train_loss", self.info, needed=False),
            self.number("val_cross_entropy", self.info, needed=False),
            self.number("test_accuracy", self._found) / 100,
            self.number("runtime", self._found),
        ]

    def curves(self) -> list[list[float]]:
        """Return the values that `CURVES` names, in the units of the file; none in the light data."""
        curves = self._found.get("learning_curves", {})
        lines = [curves.get(tag, []) if isinstance(curves, dict) else None for tag in _TAGS]
        for tag, line in zip(_TAGS, lines, strict=True):
            if not isinstance(line, list) or not all(map(_is_number, line)):
                raise DamagedFileError(f"{self._name}: {tag!r} is no list of numbers; fetch it again.")
        return [line for line in lines if line is not None]

    def configuration_sum(self) -> str:
        """Return the SHA-256 of the whole configuration, architecture and recipe."""
        return hashlib.sha256(json.dumps(self.configuration, sort_keys=True).encode()).hexdigest()

    def genes(self) -> list[int]:
        """Return the genes of the normal and the reduction cell."""
        edges = sum(key.startswith(f"{_CELL}edge_") for key in self.configuration)
        if edges != 16:
            raise DamagedFileError(
                f"{self._name}: the configuration has {edges} edges, not the 16 of two cells; fetch it again."
            )
        return [gene for cell in ("normal", "reduce") for gene in self._cell(cell)]

    def _cell(self, cell: str) -> Iterable[int]:
        for node, first in _FIRST_EDGE.items():
            pair = (0, 1)
            if node > 2:
                names = [f"{a}_{b}" for a, b in PREDECESSORS[node]]
                place = self._choice(f"inputs_node_{cell}_{node}", names)
                yield place
                pair = PREDECESSORS[node][place]
            for source in pair:
                yield self._choice(f"edge_{cell}_{first + source}", OPERATIONS)

    def _choice(self, key: str, choices: Sequence[str]) -> int:
        value = self.configuration.get(_CELL + key)
        if value not in choices:
            raise DamagedFileError(
                f"{self._name}: {key} is {value!r:.40}, not one of {', '.join(choices)}; fetch it again."
            )
        return choices.index(value)


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def join(batches: Sequence[Trainings], *, partial: bool) -> Trainings:
    """Return all trainings but those whose configuration has come before from the same optimiser.

    Raises
    ------
    DamagedFileError
        When one has another recipe than the first; with `partial` it is left out.
    """
    epochs = max(batch.curves.shape[2] for batch in batches)
    curves = np.full((sum(len(batch.genes) for batch in batches), len(CURVES), epochs), np.nan)
    start = 0
    for batch in batches:
        curves[start : start + len(batch.genes), :, : batch.curves.shape[2]] = batch.curves
        start += len(batch.genes)
    joined = Trainings(
        np.concatenate([batch.genes for batch in batches]),
        np.concatenate([batch.optimizers for batch in batches]),
        np.concatenate([batch.final for batch in batches]),
        curves,
        np.concatenate([batch.params for batch in batches]),
        *(
            list(chain.from_iterable(getattr(batch, name) for batch in batches))
            for name in ("sums", "configurations", "recipes", "names")
        ),
    )
    seen: set[tuple[int, str]] = set()
    kept = []
    for row, (optimizer, configuration) in enumerate(
        zip(joined.optimizers.tolist(), joined.configurations, strict=True)
    ):
        if joined.recipes[row] != joined.recipes[0]:
            if partial:
                continue
            raise DamagedFileError(
                f"{joined.names[row]} was trained with epochs, channels and layers {joined.recipes[row]}, "
                f"{joined.names[0]} with {joined.recipes[0]}; take it away or add --partial to leave it out."
            )
        if (optimizer, configuration) not in seen:
            seen.add((optimizer, configuration))
            kept.append(row)
    return joined.take(kept)
