"""NAS-Bench-Macro: `nas-bench-macro_cifar10.json`, three trainings of every macro network on CIFAR-10.

Su et al.: "Prioritized architecture sampling with Monto-Carlo tree search" (CVPR 2021). The file is one JSON
object from the network's string (`02012100`) to `test_acc` (three numbers, per cent), their `mean_acc` and
`std`, `params` and `flops` (plain counts). Strings of the same network share one result, so a table has one
row per network.
"""

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import ArchitectureError, DamagedFileError, NasbenchSuiteError
from nasbench_suite.spaces import Genes, get_space
from nasbench_suite.spaces.macro import MacroSpace
from nasbench_suite.tabular.importers.assembly import Source, assemble
from nasbench_suite.tabular.importers.completeness import check_complete
from nasbench_suite.tabular.importers.job import ImportJob
from nasbench_suite.tabular.table import Column

DATASET = "cifar10"
RUNS = 3
_PER_CENT = 100.0
_MILLION = 1e6


def convert(job: ImportJob) -> None:
    """Convert the JSON file to one table.

    Raises
    ------
    DamagedFileError
        When the file is no such JSON, a string is there twice, lacking or none of the space, a number is
        none, or strings of the same network have different results.
    """
    file = job.one_file()
    records = _records(file)
    genes = _genes(records, file.name)
    space = cast(MacroSpace, get_space("macro"))
    check_complete(job, file.name, space, genes)
    values = np.array(
        [_numbers(record, f"{file.name}, network {text}") for text, record in records.items()]
    ).reshape(-1, RUNS + 2)
    rows = _rows_of_networks(space, genes, values, file.name)
    accuracy, params, flops = values[rows, :RUNS], values[rows, RUNS], values[rows, RUNS + 1]
    columns = {
        "accuracy": Column(accuracy[:, :, None] / _PER_CENT),
        "params_millions": Column(params[:, None, None] / _MILLION, "once"),
        "flops_millions": Column(flops[:, None, None] / _MILLION, "once"),
    }
    table = assemble(
        job.sheet,
        job.task(DATASET),
        Source.of([file]),
        space.canonical(genes[rows]),
        columns,
        rows="class",
        repeats=[f"seed {seed}" for seed in range(RUNS)],
    )
    job.save(table)


def _records(file: Path) -> dict[str, Any]:
    """Return the file's object, every key there once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place]))
            raise DamagedFileError(f"{file.name} has {twice[:40]!r} twice; use the official file.")
        return found

    try:
        records = json.loads(file.read_bytes(), object_pairs_hook=once)
    except (ValueError, RecursionError) as problem:
        raise DamagedFileError(
            f"{file.name} is truncated or no JSON ({problem}); fetch the file again."
        ) from problem
    except OSError as problem:
        raise NasbenchSuiteError(
            f"{file} cannot be read: {problem.strerror}; name the JSON file."
        ) from problem
    if not isinstance(records, dict):
        raise DamagedFileError(f"{file.name} is no object of networks; use nas-bench-macro_cifar10.json.")
    return records


def _genes(records: dict[str, Any], source: str) -> Genes:
    space = get_space("macro")
    genes = np.empty((len(records), space.n_genes), dtype=np.uint8)
    for row, text in enumerate(records):
        try:
            genes[row] = space.parse(text)
        except ArchitectureError as problem:
            raise DamagedFileError(f"{source}: {str(problem)[:300]}") from problem
    for text, official in zip(records, space.format(genes), strict=True):
        if text != official:
            raise DamagedFileError(f"{source}: network {text!r} is not written as {official!r}.")
    return genes


def _numbers(record: Any, where: str) -> list[float]:
    """Return accuracies (per cent), parameters and FLOPs of one string."""
    runs = record.get("test_acc") if isinstance(record, dict) else None
    if not isinstance(runs, list) or len(runs) != RUNS:
        raise DamagedFileError(f"{where}: 'test_acc' is no list of {RUNS} accuracies; use the official file.")
    numbers = [*runs, record.get("params"), record.get("flops")]
    for value, most in zip(numbers, [_PER_CENT] * RUNS + [1e15] * 2, strict=True):
        # Not `0 <= value` alone: JSON's NaN and Infinity are floats, too.
        if type(value) not in (int, float) or not 0 <= value <= most:
            raise DamagedFileError(f"{where}: {value!r:.40} is no accuracy or count; use the official file.")
    return numbers


def _rows_of_networks(
    space: MacroSpace, genes: Genes, values: NDArray[np.float64], source: str
) -> NDArray[np.intp]:
    """Return one row of every network, in the order of the file, after checking that its strings agree."""
    _, first, network = np.unique(space.key(genes), return_index=True, return_inverse=True)
    differing = np.flatnonzero((values != values[first[network]]).any(axis=1))
    if differing.size:
        row = int(differing[0])
        texts = space.format(genes[[row, first[network[row]]]])
        raise DamagedFileError(
            f"{source}: {texts[0]} and {texts[1]} are the same network and have different results; use the "
            "official file."
        )
    return np.sort(first)
