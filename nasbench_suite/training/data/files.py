"""Where the files of a data set lie, and their content within bounds."""

import io
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from nasbench_suite.content import data_root
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError
from nasbench_suite.training.data.request import Request

_GZIP = 31  # zlib's window bits for a gzip file


def folders(request: Request, dataset: str, *others: Path) -> list[Path]:
    """Return where to look: the folder that the user names, or the user's data folder and then the others."""
    if request.root is not None:
        return [request.root]
    return [data_root() / "datasets" / dataset, *others]


def missing(dataset: str, looked: Iterable[Path], remedy: str) -> NasbenchSuiteError:
    """Return the error that says where a data set was looked for, and how to get it."""
    places = " and ".join(map(str, looked))
    return NasbenchSuiteError(f"{dataset} is not in {places}; {remedy}.")


def content_of(path: Path, most: int) -> bytes:
    """Return what a file holds.

    Raises
    ------
    DamagedFileError
        When it is larger than `most` bytes.
    NasbenchSuiteError
        When it cannot be read.
    """
    try:
        if not path.is_file():  # reading a pipe would wait for a writer
            raise NasbenchSuiteError(f"{path} is no file; name the data set's own file or folder.")
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as problem:
        raise NasbenchSuiteError(f"{path} cannot be read: {problem.strerror}.") from problem
    if len(content) > most:
        raise DamagedFileError(f"{path} is larger than any file of this data set; fetch the official one.")
    return content


def inflated(content: bytes, most: int, path: Path) -> bytes:
    """Return what a gzip file holds.

    Raises
    ------
    DamagedFileError
        When it is truncated, corrupt, or holds more than `most` bytes.
    """
    machine = zlib.decompressobj(_GZIP)
    try:
        plain = machine.decompress(content, most + 1)
    except zlib.error as problem:
        raise DamagedFileError(f"{path} is no gzip file or corrupt; fetch it again.") from problem
    if len(plain) > most:
        raise DamagedFileError(f"{path} holds more than any file of this data set; fetch the official one.")
    if not machine.eof or machine.unused_data:
        raise DamagedFileError(f"{path} is truncated or followed by something else; fetch it again.")
    return plain


def tar_members(path: Path, wanted: Mapping[str, str], most: int) -> dict[str, bytes]:
    """Return members of a `.tar.gz`, under the names that they are wanted by; nothing is unpacked to disk.

    Raises
    ------
    DamagedFileError
        When it is no such archive, lacks a member, has one twice, or holds more than `most` bytes.
    NasbenchSuiteError
        When it cannot be read.
    """
    image = inflated(content_of(path, most), most, path)
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(image), mode="r:") as archive:
            for entry in archive:
                name = wanted.get(entry.name)
                if name is None:
                    continue
                if name in found or not entry.isreg() or entry.issparse():
                    raise DamagedFileError(f"{path} has {name} twice or not as a file; fetch it again.")
                found[name] = image[entry.offset_data : entry.offset_data + entry.size]
    except (tarfile.TarError, EOFError, ValueError, OverflowError, OSError) as problem:
        raise DamagedFileError(f"{path} is truncated or no .tar.gz; fetch it again.") from problem
    absent = [name for name in wanted.values() if name not in found]
    if absent:
        raise DamagedFileError(f"{path} lacks {', '.join(absent)}; fetch the official archive.")
    return {name: found[name] for name in wanted.values()}
