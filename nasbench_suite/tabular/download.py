"""Fetches the official files of a benchmark, verified by checksum; broken transfers are resumed.

What has arrived lies in `FILE.part` until it is whole; beside it `FILE.part.version` keeps the server's mark
of the file (`ETag` or `Last-Modified`), so that halves of two different files are never joined.
"""

import hashlib
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pooch  # type: ignore[import-untyped]
import requests

from nasbench_suite.content import data_root
from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError, UnknownNameError
from nasbench_suite.storage import explain, write_whole
from nasbench_suite.tabular.datasheet import Download

Progress = Callable[[int, int], None]

_CHUNK_BYTES = 1 << 16  # what is lost at most when a transfer breaks
_SECONDS_TO_WAIT = 30
_MOST_ATTEMPTS = 20
_OK, _PARTIAL, _RANGE_NOT_SATISFIABLE = 200, 206, 416
_WHOLE = re.compile(r"bytes (?:\*|(\d+)-\d+)/(\d+)")
_HASHED_AT_ONCE = 1 << 22


def downloads_folder(name: str) -> Path:
    """Return the folder into which the files of benchmark `name` are fetched."""
    return data_root() / "downloads" / name


def choose(downloads: list[Download], benchmark: str, files: list[str]) -> list[Download]:
    """Return the files that were named, or those that are wanted when none was.

    Raises
    ------
    UnknownNameError
        When a name is none of the files.
    NasbenchSuiteError
        When the benchmark has no file with a direct address.
    """
    if not downloads:
        raise NasbenchSuiteError(
            f"no file of {benchmark} has a direct address; nasbench-suite show {benchmark} says where it is "
            "published."
        )
    by_file = {entry.file: entry for entry in downloads}
    for file in files:
        if file not in by_file:
            raise UnknownNameError(f"file of {benchmark} called", file, by_file)
    return [by_file[file] for file in files] or [entry for entry in downloads if entry.wanted]


def fetch(entry: Download, folder: Path, *, trust: bool = False, progress: Progress | None = None) -> Path:
    """Return the file of `entry` in `folder`, fetched unless it is there already.

    Parameters
    ----------
    trust
        Whether to take a file of which no checksum is published. The SHA-256 of what arrives is then kept in
        `FILE.sha256` (in the form of `sha256sum`), and every later transfer is held against it.
    progress
        A function of (bytes here, all bytes).

    Raises
    ------
    DamagedFileError
        When the checksum of what arrived does not hold; the file is removed.
    NasbenchSuiteError
        When the server cannot be reached or has no such file, when the transfer breaks (what has arrived is
        kept), when no checksum is known, or when the folder cannot be written.
    """
    path = folder / entry.file
    known = _known_hash(entry, path)
    if known is None and not trust:
        raise NasbenchSuiteError(
            f"no checksum of {entry.file} is published, so its content cannot be verified; give --trust to "
            "take it as it comes and to have later transfers held against it."
        )
    pooch.get_logger().setLevel(logging.ERROR)  # our own sentences say what happens
    transfer = ResumingTransfer(path.with_name(f"{entry.file}.part"), progress)
    try:
        pooch.retrieve(entry.url, known, fname=entry.file, path=folder, downloader=transfer)
    except requests.RequestException as problem:
        raise _as_sentence(entry, transfer, problem) from problem
    except ValueError as problem:  # what pooch raises for a wrong checksum
        raise DamagedFileError(
            f"{entry.file} from {_server(entry.url)} has another checksum than the known one, so it was "
            "removed; fetch it again, and if that does not help, the file was changed by its publisher."
        ) from problem
    except OSError as problem:
        raise NasbenchSuiteError(f"cannot write {path}: {explain(problem)}.") from problem
    if known is None:
        write_whole(_record(path), f"{_sha256(path)}  {entry.file}\n".encode())
    return path


def _known_hash(entry: Download, path: Path) -> str | None:
    """Return the checksum as pooch writes it; the recorded one where none is published."""
    if entry.sha256:
        return f"sha256:{entry.sha256}"
    if entry.md5:
        return f"md5:{entry.md5}"
    try:
        recorded = _record(path).read_text(encoding="ascii").split()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        recorded = []
    if not recorded or not re.fullmatch(r"[0-9a-f]{64}", recorded[0]):
        raise DamagedFileError(f"{_record(path)} holds no SHA-256; delete it and fetch the file again.")
    return f"sha256:{recorded[0]}"


def _record(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _server(url: str) -> str:
    return url.split("/")[2]


def _as_sentence(
    entry: Download, transfer: "ResumingTransfer", problem: requests.RequestException
) -> NasbenchSuiteError:
    if isinstance(problem, requests.HTTPError) and problem.response is not None:
        status = problem.response.status_code
        return NasbenchSuiteError(
            f"{_server(entry.url)} does not give out {entry.file} (HTTP status {status}); try later, or "
            f"fetch {entry.url} by other means and import it."
        )
    arrived = transfer.arrived()
    kept = f"; {arrived:,} bytes are kept, give the same command to continue" if arrived else ""
    return NasbenchSuiteError(
        f"{entry.file} could not be fetched from {_server(entry.url)}{kept or '; check the connection'}."
    )


class ResumingTransfer:
    """A downloader for `pooch.retrieve` that goes on where an earlier transfer stopped.

    Parameters
    ----------
    part
        Where what has arrived is kept between transfers.
    progress
        A function of (bytes here, all bytes; 0 where the server does not say).
    """

    def __init__(self, part: Path, progress: Progress | None = None):
        self._part = part
        self._version = part.with_name(f"{part.name}.version")
        self._progress = progress or (lambda done, total: None)

    def __call__(
        self, url: str, output_file: Any, _pooch: Any = None, check_only: bool = False
    ) -> bool | None:
        """Fetch `url` whole and move it to `output_file`.

        Raises
        ------
        requests.RequestException
            When the server answers with an error or the transfer breaks for good.
        """
        if check_only:
            return bool(requests.head(url, timeout=_SECONDS_TO_WAIT, allow_redirects=True).ok)
        for _ in range(_MOST_ATTEMPTS):
            before = self.arrived()
            try:
                whole = self._attempt(url)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError, requests.Timeout):
                if self.arrived() <= before:  # nothing came: trying at once again will not help
                    raise
                continue
            if whole:
                break
        else:
            raise requests.ConnectionError(f"{url} broke {_MOST_ATTEMPTS} times")
        self._part.replace(output_file)
        self._version.unlink(missing_ok=True)
        return None

    def arrived(self) -> int:
        """Return how many bytes are kept."""
        return self._part.stat().st_size if self._part.exists() else 0

    def _attempt(self, url: str) -> bool:
        """Fetch what is missing and return whether the file is whole now."""
        offset = self.arrived()
        headers = {"Accept-Encoding": "identity"}  # ranges count bytes of the file, not of its compression
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self._version.exists():
                headers["If-Range"] = self._version.read_text(encoding="latin-1")
        with requests.get(url, headers=headers, stream=True, timeout=_SECONDS_TO_WAIT) as answer:
            place = _WHOLE.fullmatch(answer.headers.get("Content-Range", ""))
            if answer.status_code == _RANGE_NOT_SATISFIABLE and offset:
                if place is not None and int(place[2]) == offset:
                    return True
                self._forget()  # what is kept is longer than the file: it was another one
                return False
            answer.raise_for_status()
            if answer.status_code != _PARTIAL or place is None or place[1] is None or int(place[1]) != offset:
                offset = 0  # the server sends the file from its beginning
                if answer.status_code != _OK:
                    self._forget()
                    return False
            length = int(answer.headers.get("Content-Length", 0))
            self._keep_version(answer)
            self._receive(answer, offset, offset + length if length else 0)
        return True

    def _receive(self, answer: requests.Response, offset: int, total: int) -> None:
        done = offset
        with self._part.open("ab" if offset else "wb") as file:
            for chunk in answer.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                done += len(chunk)
                self._progress(done, total)
        if total and done != total:
            raise requests.ConnectionError(f"{done} of {total} bytes arrived")

    def _keep_version(self, answer: requests.Response) -> None:
        etag = answer.headers.get("ETag", "")
        version = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
        if version:
            self._version.write_text(version, encoding="latin-1")
        else:
            self._version.unlink(missing_ok=True)

    def _forget(self) -> None:
        self._part.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)
