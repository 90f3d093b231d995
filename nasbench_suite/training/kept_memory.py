"""Memory that a training on a CPU frees, kept for its next step.

The C library gives freed memory back to the system, which zeroes it page by page when the next step of the
same training asks for as much. On images, whose activations are megabytes, that is a tenth to a fifth of a
step.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# Parameters of glibc's mallopt (malloc.h), and the largest values that it takes or comes to by itself.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_NEVER = 2**31 - 1


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory in the process meanwhile, and give it back at the end; other C libraries do as ever.

    Afterwards glibc trims as it does by itself once a process has freed a large block.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)
        library.malloc_trim(0)
