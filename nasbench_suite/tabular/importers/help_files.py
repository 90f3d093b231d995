"""Where HELP's latencies lie: in an `.npz` file, or in a folder of the official repository.

The folders `data/nasbench201` and `data/fbnet` hold `latency/DEVICE.pt`, sequences of milliseconds written by
`torch.save` (the repository's `loader.py` makes tensors of them); the latter also `metainfo.pt`, whose `arch`
lists the networks with their `op_idx_list`. No official folder was at hand: that the sequences are lists or
arrays of plain numbers is inferred from the loader. Nothing is unpickled but those, and torch is not needed.
"""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.foreign.torch_file import read_torch

FOLDERS = ("nasbench201", "fbnet")
ARCHITECTURES = "arch"
_LATENCY, _NETWORKS = "latency", "metainfo.pt"
_MOST_BYTES = 1 << 24
"""The published arrays are smaller than a megabyte; one made to grow without end is stopped here."""

Arrays = dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Found:
    """What a file or folder holds: latencies by device, and under `arch` the networks if there are any."""

    name: str
    files: list[Path]
    arrays: Arrays


def find(paths: Sequence[Path]) -> Iterator[Found]:
    """Yield what every file or folder holds; a folder may also be the one that holds both folders.

    Raises
    ------
    DamagedFileError
        When a file is truncated, or holds anything but plain numbers.
    NasbenchSuiteError
        When a file cannot be read, or a folder is none of HELP's.
    """
    for path in paths:
        if not path.is_dir():
            yield Found(path.name, [path], read_npz(path))
            continue
        inside = [path, *(path / name for name in FOLDERS)]
        folders = [folder for folder in inside if (folder / _LATENCY).is_dir()]
        if not folders:
            raise NasbenchSuiteError(
                f"{path} has no folder {_LATENCY}; give data/nasbench201 or data/fbnet of the repository, or "
                "an .npz file."
            )
        yield from map(read_folder, folders)


def read_npz(file: Path) -> Arrays:
    """Return the arrays of an archive by name, in the order of the names; nothing in it is unpickled.

    Raises
    ------
    DamagedFileError
        When it is truncated, no such archive, or holds something else.
    NasbenchSuiteError
        When it cannot be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            large = [entry.filename for entry in archive.infolist() if entry.file_size > _MOST_BYTES]
        if large:
            raise DamagedFileError(f"{file.name} holds {large[0]!r:.60}, larger than any array of HELP.")
        with np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in sorted(content.files)}
        if len(arrays) < len(content.files) or set(map(type, arrays.values())) - {np.ndarray}:
            raise ValueError("an array that is there twice, or something else")
    except OSError as problem:
        raise NasbenchSuiteError(
            f"{file} cannot be read: {problem.strerror or problem}; name an .npz file of HELP."
        ) from problem
    except (
        ValueError,
        EOFError,
        LookupError,
        TypeError,
        NotImplementedError,
        RuntimeError,
        MemoryError,
        OverflowError,
        zipfile.BadZipFile,
        zlib.error,
    ) as problem:
        raise DamagedFileError(
            f"{file.name} is truncated or no .npz file of plain numbers; fetch the file again."
        ) from problem
    return arrays


def read_folder(folder: Path) -> Found:
    """Return what an official folder holds.

    Raises
    ------
    DamagedFileError
        When a file is truncated, or holds anything but plain numbers.
    """
    files = sorted((folder / _LATENCY).glob("*.pt"))
    arrays: Arrays = {file.stem: _array(read_torch(file), file) for file in files}
    networks = folder / _NETWORKS
    if networks.exists():
        files.append(networks)
        content = read_torch(networks)
        entries = content.get("arch") if isinstance(content, dict) else None
        listed = entries if isinstance(entries, list) else []
        rows = [entry.get("op_idx_list") if isinstance(entry, dict) else None for entry in listed]
        arrays[ARCHITECTURES] = _array(rows, networks)
    return Found(folder.name, files, arrays)


def _array(content: Any, file: Path) -> NDArray[np.generic]:
    """Return a sequence of numbers, or of sequences of numbers of one length, as an array."""
    if isinstance(content, np.ndarray):
        return content
    rows = content if isinstance(content, list | tuple) else []
    numbers = [number for row in rows for number in (row if isinstance(row, list | tuple) else (row,))]
    try:
        if not rows or {type(number) for number in numbers} - {int, float}:
            raise ValueError("something else")
        return np.array(rows)
    except (ValueError, OverflowError) as problem:
        raise DamagedFileError(
            f"{file.parent.name}/{file.name} holds no plain numbers, one for each architecture; use the "
            "official file."
        ) from problem
