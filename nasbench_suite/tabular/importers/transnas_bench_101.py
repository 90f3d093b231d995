"""TransNAS-Bench-101, `transnas-bench_v10141024.pth`: seven vision tasks in two spaces, after every epoch.

Duan et al.: "TransNAS-Bench-101" (CVPR 2021). A file of torch.save, in either of its layouts (which one is
not documented), holding a dictionary whose `data` leads from space and network code to the task's `metrics`
(lists, a value per epoch), `model_info` and `total_epochs` (so says yawen-d/TransNASBench, `api/api.py`). By
its training code accuracies and mean intersection over union are per cent, `time_elapsed` is counted from the
beginning of the training, as seconds or as text such as `01:02:03`, and parameters and FLOPs are counts. How
the published file writes times and counts is not documented, so both ways are read, and a count that cannot
be one is left out.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, DamagedFileError
from nasbench_suite.foreign.torch_file import read_torch
from nasbench_suite.spaces import CategoricalSpace, Genes, get_space
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.completeness import check_complete
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.table import Column

VERSION = "v10141024"
SPACES = {"macro": "transnas_macro", "micro": "transnas_micro"}
"""What the file and what the suite calls a space."""
_CLASSES = {"top1": "accuracy", "top5": "top5_accuracy", "loss": "loss"}
_IMAGES = {"ssim": "ssim", "l1_loss": "absolute_error"}
TASKS = {
    "class_scene": _CLASSES,
    "class_object": _CLASSES,
    "room_layout": {"loss": "squared_error", "neg_loss": "negative_squared_error"},
    "jigsaw": _CLASSES,
    "segmentsemantic": {"loss": "loss", "acc": "pixel_accuracy", "mIoU": "mean_iou"},
    "normal": _IMAGES,
    "autoencoder": _IMAGES,
}
"""What a table calls the metrics of each task, without the split that both put before them."""
_SPLITS = ("train", "valid", "test")
_PER_CENT = ("top1", "top5", "acc", "mIoU")
_INFO = {
    "model_params": "params_millions",
    "encoder_params": "encoder_params_millions",
    "model_FLOPs": "flops_millions",
    "encoder_FLOPs": "encoder_flops_millions",
}
_LEAST_COUNT = 10_000
"""No network of either space has fewer parameters, nor fewer multiply-adds."""
_CLOCK = re.compile(r"([0-9]{2,4}):([0-5][0-9]):([0-5][0-9])")


def convert(job: ImportJob) -> None:
    """Convert the file: a table for each task in each space.

    Raises
    ------
    DamagedFileError
        When the file is truncated, corrupt or of another structure, lacks networks although the option
        `partial` is not set, or lacks results.
    """
    file = job.one_file()
    source = Source.of([file], VERSION)
    job.progress(0, len(SPACES))
    # In memory it takes 0.7 GB. It is not read entry by entry, since entries might share lists.
    content = read_torch(file)
    spaces = content.get("data") if isinstance(content, dict) else None
    if not isinstance(spaces, dict) or set(spaces) != set(SPACES):
        raise DamagedFileError(
            f"{file.name} has not the networks of 'macro' and 'micro' under 'data'; use the official file."
        )
    for done, name in enumerate(SPACES, start=1):
        _convert_space(job, name, spaces[name], source)
        job.progress(done, len(SPACES))


def _convert_space(job: ImportJob, name: str, networks: Any, source: Source) -> None:
    where = f"{source.name}: {name}"
    if not isinstance(networks, dict):
        raise DamagedFileError(f"{where} is no dictionary of networks; use the official file.")
    codes = list(networks)
    genes = _genes(codes, SPACES[name], where)
    check_complete(job, where, _Listed(cast(CategoricalSpace, get_space(SPACES[name]))), genes)
    for task, metrics in TASKS.items():
        dataset = f"{name}-{task}"
        results = _Results(networks, task, where)
        columns = {
            f"{split}_{ours}": Column(results.curves(f"{split}_{theirs}", 100 if theirs in _PER_CENT else 1))
            for split in _SPLITS
            for theirs, ours in metrics.items()
        }
        columns["elapsed_seconds"] = Column(results.clock())
        columns |= results.info()
        table = assemble(
            job.sheet,
            job.task(dataset),
            source,
            genes,
            columns,
            rows="string",
            repeats=["one training"],
            epochs=range(1, results.epochs + 1),
        )
        job.save(table)


def _genes(codes: Sequence[Any], space: str, where: str) -> Genes:
    """Return the networks with these codes, uint8 `[rows, n_genes]`."""
    parse = get_space(space).parse
    genes = []
    for code in codes:
        if type(code) is not str:
            raise DamagedFileError(f"{where}: {code!r:.40} is no network code; use the official file.")
        try:
            genes.append(parse(code))
        except ArchitectureError as problem:
            raise DamagedFileError(f"{where}: {problem}") from problem
    return np.array(genes, dtype=np.uint8).reshape(len(codes), get_space(space).n_genes)


class _Listed:
    """The valid networks of a space, numbered without gaps."""

    def __init__(self, space: CategoricalSpace):
        self._space = space
        self._codes = np.flatnonzero(space.representative_of_code >= 0)
        self.n_codes = len(self._codes)
        self.format = space.format

    def encode(self, genes: Genes) -> NDArray[np.int64]:
        """Return the place of every network, int64 `[n]`."""
        return np.searchsorted(self._codes, self._space.encode(genes))

    def decode(self, codes: NDArray[np.int64]) -> Genes:
        """Return the networks at the given places."""
        return self._space.decode(self._codes[codes])


class _Results:
    """The results of all networks on one task.

    Attributes
    ----------
    epochs
        How long they were trained: as long as the first.
    """

    def __init__(self, networks: Mapping[str, Any], task: str, where: str):
        self._where = where
        self._task = task
        self._codes = list(networks)
        self._results: list[Any] = []
        for code, tasks in networks.items():
            result = tasks.get(task) if isinstance(tasks, dict) else None
            if not isinstance(result, dict) or not all(
                isinstance(result.get(part), dict) for part in ("metrics", "model_info")
            ):
                raise self._error(code, "has no 'metrics' and 'model_info'")
            self._results.append(result)
        first = self._results[0]["metrics"].get("time_elapsed")
        self.epochs = len(first) if isinstance(first, list | tuple | np.ndarray) else 0

    def _error(self, code: str, problem: str) -> DamagedFileError:
        return DamagedFileError(
            f"{self._where}, {self._task}: network {code} {problem}; use the official file."
        )

    def curves(self, name: str, divisor: float) -> NDArray[np.float64]:
        """Return a metric after every epoch, float64 `[rows, 1, epochs]`."""
        listed = self._listed(name)
        for code, values in zip(self._codes, listed, strict=True):
            if not all(map(_is_number, values)):
                raise self._error(code, f"has {name} that is no number")
        return np.array(listed, dtype=np.float64)[:, None, :] / divisor

    def _listed(self, name: str) -> list[Sequence[Any]]:
        listed: list[Sequence[Any]] = []
        for code, result in zip(self._codes, self._results, strict=True):
            values = result["metrics"].get(name)
            values = values.tolist() if isinstance(values, np.ndarray) else values
            if not isinstance(values, list | tuple) or len(values) != self.epochs or not values:
                raise self._error(code, f"has no list of {name}, one value for each of {self.epochs} epochs")
            listed.append(values)
        return listed

    def clock(self) -> NDArray[np.float64]:
        """Return the seconds since the beginning, float64 `[rows, 1, epochs]`, NaN if they run backwards."""
        seconds = np.empty((len(self._codes), self.epochs))
        for row, (code, values) in enumerate(zip(self._codes, self._listed("time_elapsed"), strict=True)):
            for epoch, value in enumerate(values):
                seconds[row, epoch] = _seconds(value)
            if np.isnan(seconds[row]).any():
                raise self._error(code, "has time_elapsed that is no time")
        seconds[(np.diff(seconds, axis=1) < 0).any(axis=1)] = np.nan
        return seconds[:, None, :]

    def info(self) -> dict[str, Column]:
        """Return what is measured of the networks without training them."""
        found = {"inference_seconds": self._once("inference_time")}
        for theirs, ours in _INFO.items():
            counts = self._once(theirs)
            if np.nanmax(counts, initial=0) >= _LEAST_COUNT:
                found[ours] = counts / 1e6
        return {name: Column(values[:, None, None], "once") for name, values in found.items()}

    def _once(self, name: str) -> NDArray[np.float64]:
        """Return a number of every network, NaN where it was not measured, which the authors write as ''."""
        values = [result["model_info"].get(name) for result in self._results]
        for code, value in zip(self._codes, values, strict=True):
            if value not in ("", None) and not _is_number(value):
                raise self._error(code, f"has {name} that is no number")
        return np.array([np.nan if value in ("", None) else value for value in values], dtype=np.float64)


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and abs(value) < 2**53)


def _seconds(value: Any) -> float:
    """Return a time as seconds; NaN when it is none."""
    if isinstance(value, str) and (found := _CLOCK.fullmatch(value)):
        hours, minutes, seconds = map(int, found.groups())
        return float(3600 * hours + 60 * minutes + seconds)
    return float(value) if _is_number(value) and value >= 0 else np.nan
