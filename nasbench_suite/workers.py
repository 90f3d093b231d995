"""Workers for the command line: processes of this machine, or those of a Dask scheduler.

Processes compute on one thread each, so that results do not depend on their number. They are deaf to Ctrl-C,
which the parent handles, and end when the parent is gone, however it went.
"""

import multiprocessing
import os
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, ProcessPoolExecutor
from contextlib import contextmanager
from threading import Thread

from nasbench_suite.errors import NasbenchSuiteError, shorten

_SECONDS_TO_CONNECT = 30
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def workers(jobs: int) -> Iterator[Executor | None]:
    """Yield an executor with `jobs` processes; None for a single job, which then runs in this process.

    The processes are spawned, never forked: a fork of a process with running threads may hang.
    """
    if jobs == 1:
        yield None
        return
    with _one_thread_in_children():
        executor = ProcessPoolExecutor(
            jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_begin
        )
        try:
            yield executor
        finally:
            executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """Yield an executor that works on the workers of the Dask scheduler at `address` (`tcp://HOST:PORT`).

    Raises
    ------
    NasbenchSuiteError
        When Dask is not installed or no scheduler answers.
    """
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ImportError as problem:
        raise NasbenchSuiteError(
            "a Dask scheduler needs the package distributed; run: pip install 'nasbench-suite[cluster]'"
        ) from problem
    try:
        # A client that finds no scheduler is not made in the first place: one that failed may lock up the
        # next when it is collected (LoopRunner's lock is not reentrant).
        host, port = get_address_host_port(address, strict=True)
        socket.create_connection((host, port), timeout=_SECONDS_TO_CONNECT).close()
        client = Client(address, timeout=_SECONDS_TO_CONNECT)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as problem:
        raise NasbenchSuiteError(
            f"no Dask scheduler answers at {shorten(address)}; give the address that it prints when it "
            "starts, such as tcp://head:8786."
        ) from problem
    with client:
        # Not `pure`: a task is run whatever ran before with the same arguments.
        yield client.get_executor(pure=False)  # type: ignore[no-untyped-call]


@contextmanager
def told_when_lost(kept: str) -> Iterator[None]:
    """Turn what executors raise when workers or the scheduler are lost into a sentence.

    Parameters
    ----------
    kept
        What is left and what to do, for the end of the sentence.
    """
    try:
        yield
    except BrokenExecutor as problem:
        raise NasbenchSuiteError(
            f"a worker process died, killed or for lack of memory; {kept}, with fewer workers if it was "
            "memory."
        ) from problem
    except CancelledError as problem:
        raise NasbenchSuiteError(
            f"the work was cancelled, or the connection to the scheduler was lost; {kept}."
        ) from problem
    except Exception as problem:
        if not type(problem).__module__.startswith("distributed"):  # Dask's own, which need not be installed
            raise
        raise NasbenchSuiteError(
            f"the cluster gave up ({type(problem).__name__}: workers died again and again, mostly for lack "
            f"of memory, or the scheduler is gone); {kept}."
        ) from problem


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent's end; without this a worker whose parent is killed waits for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def _one_thread_in_children() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
