"""The arrays in an `.npz` file, without trusting what it says about itself.

A `.npz` is a zip archive of `.npy` members: a magic word, a version, the length of a header, the header, a
Python dictionary in text, and the numbers. Only what `numpy.savez` writes of one-dimensional arrays of
integers is read; the header is matched, not evaluated.
Source: `numpy.lib.format`.
"""

import io
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError

_MOST_BYTES = 1 << 28
_START = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '([<|][iu][1248])', 'fortran_order': False, 'shape': \(([0-9]{1,12}),\), \} *\n"
)


def read_npz(content: bytes, names: tuple[str, ...], path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays with these names, one-dimensional and of integers.

    Raises
    ------
    DamagedFileError
        When the file is truncated, lacks one, or has it in another form.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {name: _array(archive, name) for name in names}
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,  # a compression of another kind
        RuntimeError,  # encrypted
        struct.error,
        EOFError,
        OSError,
        ValueError,
        LookupError,
        OverflowError,
    ) as problem:
        raise DamagedFileError(
            f"{path} is damaged or no .npz with rows of integers {', '.join(names)}; fetch it again."
        ) from problem


def _array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    member = archive.getinfo(f"{name}.npy")
    if member.file_size > _MOST_BYTES:
        raise ValueError("too large")
    raw = archive.read(member)  # at most as much as it claims
    if not raw.startswith(_START):
        raise ValueError("no array")
    (length,) = struct.unpack_from("<H", raw, len(_START))
    start = len(_START) + 2 + length
    header = _HEADER.fullmatch(raw[len(_START) + 2 : start])
    if header is None:
        raise ValueError("another form")
    dtype = np.dtype(header[1].decode())
    if len(raw) - start != int(header[2]) * dtype.itemsize:
        raise ValueError("another length")
    return np.frombuffer(raw, dtype=dtype, offset=start)
