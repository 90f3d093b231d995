"""Freed memory that is kept: by the pages that the system hands out."""

import ctypes
import multiprocessing
import platform
import resource
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from nasbench_suite.training.kept_memory import kept_memory

LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
pytestmark = [
    pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc"),
    pytest.mark.skipif(
        LARGE_PAGES.exists() and "[always]" in LARGE_PAGES.read_text(encoding="ascii"),
        reason="the system hands out large pages, which are not counted one by one",
    ),
]
BLOCK, BLOCKS, ROUNDS = 20 * 2**20, 8, 5
ALL_PAGES = BLOCK * BLOCKS // resource.getpagesize()


def rounds_of_pages():
    """Return how often all pages are handed out while blocks are asked for, written and freed.

    The last is freed first, which leaves the end of the heap free: the C library may give it back then.
    """
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(ROUNDS):
        blocks = [ctypes.c_void_p(library.malloc(ctypes.c_size_t(BLOCK))) for _ in range(BLOCKS)]
        for block in blocks:
            ctypes.memset(block, 1, BLOCK)
        for block in reversed(blocks):
            library.free(block)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / ALL_PAGES


def resident():
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def in_a_fresh_process():
    first = rounds_of_pages()
    with kept_memory():
        within = rounds_of_pages()
        kept = resident()
    return first, within, kept - resident(), rounds_of_pages()


def test_memory_is_handed_out_once_and_given_back_at_the_end():
    # What other tests left on the heap would lie above the blocks.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        first, within, given_back, after = executor.submit(in_a_fresh_process).result()
    assert [first, within, after] == pytest.approx([ROUNDS, 1, ROUNDS], abs=0.2)
    assert given_back > 0.9 * BLOCK * BLOCKS


def test_it_is_given_back_after_an_error_too():
    def fail():
        rounds_of_pages()
        raise KeyError

    before = resident()
    with pytest.raises(KeyError), kept_memory():
        fail()
    assert resident() - before < 0.2 * BLOCK * BLOCKS
