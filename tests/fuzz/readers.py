"""Mutates files and reads them: all that may come of it is a value or a `NasbenchSuiteError`, and soon.

    python tests/fuzz/readers.py --inputs 100000 --seed 0 --jobs 2

Another exception, a warning, a crash of the interpreter, a reading that takes longer than `TIME_LIMIT` or
grows the process by more than `MEMORY_LIMIT` is a violation: the input is saved and the exit code is 1. An
input depends on the seed and on its number alone, not on how many processes share the work.

To add a reader, write a function from the content of a file and a scratch path to anything, and register it
in `FORMATS` (`formats.py`) with a few small files that it reads.
"""

import argparse
import io
import multiprocessing
import pickle
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from formats import FORMATS
from mutation import OPCODES, mutate

from nasbench_suite.errors import NasbenchSuiteError
from nasbench_suite.foreign.pickle_stream import stream_items
from nasbench_suite.foreign.restricted_pickle import read_pickle
from nasbench_suite.foreign.torch_file import read_torch, stream_torch

TIME_LIMIT = 10.0
"""Seconds that reading one input may take; the seeds take a millisecond."""
MEMORY_LIMIT = 2**27
"""Bytes that reading one input may add to the most the process ever held; the seeds are a few kilobytes."""

KEY = "arch2infos"
PLAIN = {
    "a": [1, -2.5, None, True, 10**30],
    "t": ("x", 777),
    b"k": "text" * 20,
    3: {"d": {}, "e": OrderedDict(z=1)},
}
NUMPY = {"f8": np.float64(0.5), "i4": np.int32(-3), "rows": np.arange(6.0).reshape(2, 3), "s": {1, 2}}


def nested(entries: int) -> dict[str, Any]:
    """A file in the layout of NAS-Bench-201, with what its entries may share."""
    infos = {
        n: OrderedDict(n=n, name="shared", curve={k: 0.5 * k for k in range(n)}, f=np.float64(n))
        for n in range(entries)
    }
    return {"meta": ["a", "b", KEY], KEY: infos, "rest": {1, 2}}


@cache
def torch_files() -> list[bytes]:
    """Files of torch.save in both layouts, with and without tensors."""
    import torch

    whole = torch.arange(12.0).reshape(3, 4)
    tensors = {
        "a": whole,
        "view": whole[1:, ::2],
        "b": torch.arange(3).to(torch.uint16),
        "t": torch.tensor([True]),
    }
    files = []
    for value in (tensors, nested(3), {"state": torch.nn.Parameter(whole.bfloat16()), KEY: {1: [2]}}):
        for layout in (True, False):
            file = io.BytesIO()
            torch.save(value, file, _use_new_zipfile_serialization=layout)
            files.append(_named_alike(file.getvalue()))
    return files


def _named_alike(content: bytes) -> bytes:
    """Replace the keys of storages, which are addresses in memory, by numbers that are always the same."""
    keys: dict[bytes, bytes] = {}
    pattern = rb"X[\x0a-\x10]\0\0\0(\d{10,16})"
    return re.sub(pattern, lambda found: keys.setdefault(found[1], b"X\x0e\0\0\0%014d" % len(keys)), content)


@cache
def pickles() -> list[bytes]:
    """Pickles of plain and NumPy values under every protocol."""
    values = (PLAIN, NUMPY, [PLAIN, NUMPY, frozenset([1])])
    return [pickle.dumps(value, protocol) for value in values for protocol in range(6)]


@cache
def dictionaries() -> list[bytes]:
    """Pickles with a dictionary to stream, of both picklers, under every protocol."""
    whole = [pickle.dumps(nested(n), protocol) for n in (1, 4) for protocol in range(6)]
    return whole + [pickle._dumps(nested(2), protocol) for protocol in range(6)]  # type: ignore[attr-defined]


def read_whole(content: bytes, path: Path) -> Any:
    """The reader of whole pickles."""
    return read_pickle(content, "input")


def read_stream(content: bytes, path: Path) -> Any:
    """The reader of one entry after another."""
    stream = stream_items(io.BytesIO(content), KEY, "input")
    return list(stream), stream.rest


def read_outermost(content: bytes, path: Path) -> Any:
    """The same for the outermost dictionary."""
    return list(stream_items(io.BytesIO(content), None, "input"))


def read_torch_whole(content: bytes, path: Path) -> Any:
    """The reader of torch.save's files."""
    path.write_bytes(content)
    return read_torch(path)


def read_torch_stream(content: bytes, path: Path) -> Any:
    """The same, entry after entry."""
    path.write_bytes(content)
    with stream_torch(path, KEY) as stream:
        return list(stream)


@dataclass(frozen=True)
class Reader:
    """A reader, the files that are mutated for it, and byte strings that mean something in its format."""

    read: Callable[[bytes, Path], Any]
    seeds: Callable[[], list[bytes]]
    words: tuple[bytes, ...] = ()


READERS = {
    "restricted_pickle": Reader(read_whole, pickles, OPCODES),
    "pickle_stream": Reader(read_stream, dictionaries, OPCODES),
    "pickle_stream_outermost": Reader(read_outermost, pickles, OPCODES),
    "torch_file": Reader(read_torch_whole, torch_files, OPCODES),
    "torch_stream": Reader(read_torch_stream, torch_files, OPCODES),
    **{name: Reader(*parts) for name, parts in FORMATS.items()},
}


def mutated(number: int, seed: int, readers: list[str]) -> tuple[str, bytes]:
    """Return the reader and the content of one input."""
    draw = random.Random(f"{seed}/{number}")
    name = readers[number % len(readers)]
    seeds = READERS[name].seeds()
    content = bytearray(draw.choice(seeds))
    for _ in range(draw.choice((1, 1, 2, 3, 6))):
        mutate(content, draw, seeds, READERS[name].words)
    return name, bytes(content)


class TooSlow(BaseException):
    """Raised in the middle of a reading; no reader catches it."""


def _too_slow(*_: Any) -> None:
    raise TooSlow


def outcome(name: str, content: bytes, path: Path) -> str:
    """Read one input; return `value` or `refused`, or raise what must not be."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT)
    try:
        READERS[name].read(content, path)
        found = "value"
    except NasbenchSuiteError as problem:
        if len(str(problem)) > 1000 or "\n" in str(problem):
            raise AssertionError("the message is no sentence") from problem
        found = "refused"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    if grown > MEMORY_LIMIT:
        raise AssertionError(f"reading took {grown} bytes")
    return found


def work(numbers: range, seed: int, readers: list[str], deadline: float, at: Any, results: Any) -> None:
    """Read a share of the inputs; `at` tells the parent which one is being read."""
    signal.signal(signal.SIGALRM, _too_slow)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("error")
    counts: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        for number in numbers:
            if time.monotonic() > deadline:
                break
            at.value = number
            name, content = mutated(number, seed, readers)
            try:
                counts[name, outcome(name, content, path)] += 1
            except BaseException:  # whatever it is, it is a finding
                results.put((number, traceback.format_exc()))
                return
    results.put((None, counts))


def run(options: argparse.Namespace) -> Iterator[tuple[int | None, Any]]:
    """Share the inputs among processes; yield what each says, and the number at which one died or hung."""
    deadline = time.monotonic() + (options.seconds or 1e9)
    context = multiprocessing.get_context("fork")  # the seeds are made once
    for name in options.reader:
        READERS[name].seeds()
    workers = []
    for job in range(options.jobs):
        at, results = context.Value("q", -1), context.SimpleQueue()
        numbers = range(job, options.inputs, options.jobs)
        arguments = (numbers, options.seed, options.reader, deadline, at, results)
        workers.append((context.Process(target=work, args=arguments), at, results))
        workers[-1][0].start()
    for process, at, results in workers:
        last, since = -1, time.monotonic()
        while process.is_alive() and results.empty():
            process.join(0.05)
            if at.value != last:
                last, since = at.value, time.monotonic()
            elif time.monotonic() - since > 3 * TIME_LIMIT:
                process.kill()  # it hangs where Python takes no signal
        process.join(5)
        yield results.get() if not results.empty() else (at.value, f"ended with {process.exitcode}")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, help="stop earlier, after so long")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--reader", nargs="+", choices=READERS, default=list(READERS))
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "nasbench-suite-fuzz")
    options = parser.parse_args()
    counts: Counter[tuple[str, str]] = Counter()
    findings = 0
    for number, result in run(options):
        if number is None:
            counts += result
            continue
        findings += 1
        name, content = mutated(number, options.seed, options.reader)
        options.findings.mkdir(parents=True, exist_ok=True)
        path = options.findings / f"{name}-{options.seed}-{number}"
        path.write_bytes(content)
        print(f"{name}: input {number}, saved as {path}\n{result}", file=sys.stderr)
    for (name, found), count in sorted(counts.items()):
        print(f"{name:24} {found:8} {count:8}")
    print(f"{counts.total()} inputs, {findings} violations")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
