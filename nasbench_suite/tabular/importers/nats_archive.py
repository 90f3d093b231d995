"""The files of a NATS-Bench archive, in a folder or in a `.tar`, found without reading them.

The "simple" form of an archive is a folder with `meta.pickle.pbz2` and one `%06d.pickle.pbz2` per
architecture.
"""

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError

_RECORD = re.compile(r"([0-9]{6})\.pickle\.pbz2")
_META = "meta.pickle.pbz2"


@dataclass(frozen=True)
class Member:
    """A file of an archive: where its bytes lie."""

    name: str
    path: Path
    offset: int
    size: int

    def read(self) -> bytes:
        """Return the bytes.

        Raises
        ------
        NasbenchSuiteError
            When the file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                return file.read(self.size)
        except OSError as problem:
            raise NasbenchSuiteError(f"{self.path} cannot be read: {problem.strerror}.") from problem


@dataclass(frozen=True)
class Archive:
    """An archive: its description of all architectures, and its records by index."""

    name: str
    meta: Member
    records: dict[int, Member]


def open_archive(path: Path) -> Archive:
    """Return what lies in a folder or a `.tar`.

    Raises
    ------
    DamagedFileError
        When it is no archive of NATS-Bench, lacks its meta file, has a record twice, or is a `.tar` whose
        paths lead outside of it.
    NasbenchSuiteError
        When it cannot be read.
    """
    members = _in_folder(path) if path.is_dir() else _in_tar(path)
    meta = [member for member in members if member.name == _META]
    records: dict[int, Member] = {}
    for member in members:
        found = _RECORD.fullmatch(member.name)
        if found is None:
            continue
        if int(found.group(1)) in records:
            raise DamagedFileError(f"{path} has {member.name} twice; fetch the official archive again.")
        records[int(found.group(1))] = member
    if len(meta) != 1:
        raise DamagedFileError(
            f"{path} has {'no' if not meta else 'more than one'} {_META}; give the folder or the .tar of the "
            "official archive in its simple form, such as NATS-tss-v1_0-3ffb9-simple."
        )
    return Archive(path.name, meta[0], records)


def _in_folder(path: Path) -> list[Member]:
    try:
        return [
            Member(file.name, file, 0, file.stat().st_size)
            for file in sorted(path.iterdir())
            if file.is_file()
        ]
    except OSError as problem:
        raise NasbenchSuiteError(f"{path} cannot be read: {problem.strerror}.") from problem


def _in_tar(path: Path) -> list[Member]:
    members = []
    try:
        with tarfile.open(path, "r:") as archive:
            for entry in archive:
                place = PurePosixPath(entry.name)
                if place.is_absolute() or ".." in place.parts:
                    raise DamagedFileError(
                        f"{path} is refused: its entry {entry.name!r} leads outside; use the official file."
                    )
                if entry.isfile() and not entry.issparse():
                    members.append(Member(place.name, path, entry.offset_data, entry.size))
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as problem:
        raise DamagedFileError(
            f"{path} is truncated or no .tar of the official archive (unpack a compressed one first); fetch "
            "it again or give its folder."
        ) from problem
    except OSError as problem:
        raise NasbenchSuiteError(f"{path} cannot be read: {problem.strerror}.") from problem
    if members and members[-1].offset + members[-1].size > path.stat().st_size:
        raise DamagedFileError(f"{path} is truncated; fetch it again.")
    return members
