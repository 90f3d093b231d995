"""CSV and Parquet files as named columns whose every cell can be found again by a person."""

import csv
import gzip
import io
import zlib
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nasbench_suite.errors import DamagedFileError, NasbenchSuiteError, UnknownNameError

MISSING = frozenset(["", "nan", "na", "n/a", "null", "none"])
"""Cells that stand for a missing value, whatever their case."""
_SEPARATORS = ",;\t"
_MOST_CHARACTERS_SHOWN = 60


class Cells(Protocol):
    """A file with named columns.

    Attributes
    ----------
    file
        The file's name, for errors.
    names
        Its columns.
    """

    file: str
    names: list[str]

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def texts(self, name: str) -> list[str]:
        """Return a column as it is written, `[rows]`."""
        ...

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as numbers, float64 `[rows]`, NaN where missing."""
        ...

    def place(self, row: int) -> str:
        """Return where a row is, for errors: `line 5`."""
        ...


def read_cells(path: Path) -> Cells:
    """Open a file: Parquet if it is called `.parquet`, otherwise CSV, `.gz` or not.

    Raises
    ------
    DamagedFileError
        When the file is no such file, truncated or corrupt.
    NasbenchSuiteError
        When it cannot be read, or needs a package that is not installed.
    """
    try:
        if path.suffix == ".parquet":
            return ParquetCells(path)
        return CsvCells(path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
        raise DamagedFileError(f"{path.name} is truncated or corrupt; fetch the file again.") from problem
    except OSError as problem:
        raise NasbenchSuiteError(
            f"{path} cannot be read: {problem.strerror or problem}; name a readable file."
        ) from problem


class CsvCells:
    """A CSV file, plain or compressed with gzip; see `Cells`.

    The first line names the columns; they are separated by comma, semicolon or tab, whichever the first line
    has most of.
    """

    def __init__(self, path: Path):
        self.file = path.name
        self._lines: list[int] = []
        rows = self._read(path)
        if not rows or not any(name.strip() for name in rows[0]):
            raise DamagedFileError(f"{self.file} is empty; its first line must name the columns.")
        self.names = [name.strip() for name in rows[0]]
        body = [(line, row) for line, row in zip(self._lines[1:], rows[1:], strict=True) if row]
        for line, row in body:
            if len(row) != len(self.names):
                raise DamagedFileError(
                    f"{self.file}, line {line}: {len(row)} cell(s) where the first line names "
                    f"{len(self.names)} column(s)."
                )
        self._lines = [line for line, _ in body]
        self._rows = [row for _, row in body]

    def _read(self, path: Path) -> list[list[str]]:
        """Return all rows, and keep the line on which each begins."""
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as problem:
            raise DamagedFileError(
                f"{self.file} is no text in UTF-8 (byte {problem.start}); store it as CSV in UTF-8."
            ) from problem
        first_line = text.partition("\n")[0]
        separator = max(_SEPARATORS, key=first_line.count)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows, begin = [], 1
        try:
            for row in reader:
                rows.append(row)
                self._lines.append(begin)
                begin = reader.line_num + 1
        except csv.Error as problem:
            raise DamagedFileError(
                f"{self.file}, line {begin}: {problem}; store it as CSV again."
            ) from problem
        return rows

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def _numbers(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def texts(self, name: str) -> list[str]:
        """Return a column as it is written, `[rows]`."""
        column = _position(self, name)
        return [row[column].strip() for row in self._rows]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as numbers, float64 `[rows]`, NaN where missing."""
        if name not in self._numbers:
            self._numbers[name] = _as_numbers(self, name, self.texts(name))
        return self._numbers[name]

    def place(self, row: int) -> str:
        """Return the line of a row."""
        return f"line {self._lines[row]}"


class ParquetCells:
    """A Parquet file, read with the optional package pyarrow; see `Cells`."""

    def __init__(self, path: Path):
        self.file = path.name
        if find_spec("pyarrow") is None:
            raise NasbenchSuiteError(
                f"reading {self.file} needs pyarrow; run: pip install 'nasbench-suite[parquet]', or store "
                "the file as CSV."
            )
        pyarrow: Any = import_module("pyarrow")  # loaded when needed: an optional package
        parquet: Any = import_module("pyarrow.parquet")
        self._float = pyarrow.float64()
        self._wrong: type[Exception] = pyarrow.ArrowException
        try:
            self._table: Any = parquet.read_table(path)
        except pyarrow.ArrowException as problem:
            raise DamagedFileError(
                f"{self.file} is truncated, corrupt or no Parquet file; fetch the file again."
            ) from problem
        self.names = [str(name) for name in self._table.column_names]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def texts(self, name: str) -> list[str]:
        """Return a column as text, `[rows]`."""
        column = self._table.column(_position(self, name)).to_pylist()
        return ["" if cell is None else str(cell).strip() for cell in column]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as numbers, float64 `[rows]`, NaN where missing."""
        column = self._table.column(_position(self, name))
        try:
            values: NDArray[np.float64] = column.cast(self._float).to_numpy()
        except self._wrong:
            return _as_numbers(self, name, self.texts(name))
        _refuse_infinite(self, name, values)
        return values

    def place(self, row: int) -> str:
        """Return the number of a row, from 1."""
        return f"row {row + 1}"


def _position(cells: Cells, name: str) -> int:
    found = cells.names.count(name)
    if not found:
        raise UnknownNameError(f"column of {cells.file} called", name, cells.names)
    if found > 1:
        raise DamagedFileError(f"{cells.file} has {found} columns called {name!r}; rename all but one.")
    return cells.names.index(name)


def _as_numbers(cells: Cells, name: str, texts: list[str]) -> NDArray[np.float64]:
    values = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        if text.lower() in MISSING:
            continue
        try:
            if "_" in text:  # Python reads 1_000 as a thousand; in a table it is a slip
                raise ValueError
            values[row] = float(text)
        except ValueError:
            raise DamagedFileError(
                f"{cells.file}, {cells.place(row)}, column {name!r}: {shown(text)} is no number; correct it, "
                "or leave the cell empty where the result is missing."
            ) from None
    _refuse_infinite(cells, name, values)
    return values


def _refuse_infinite(cells: Cells, name: str, values: NDArray[np.float64]) -> None:
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise DamagedFileError(
            f"{cells.file}, {cells.place(int(infinite[0]))}, column {name!r} is infinite; correct it, or "
            "leave the cell empty where the result is missing."
        )


def shown(text: str) -> str:
    """Return a cell as an error quotes it: shortened where it is long."""
    return repr(text if len(text) <= _MOST_CHARACTERS_SHOWN else text[:_MOST_CHARACTERS_SHOWN] + "…")
