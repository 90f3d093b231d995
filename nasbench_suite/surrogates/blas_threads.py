"""BLAS on one thread, where more would change the last digits and what is found with them."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[Any]:
    """Return a block in which NumPy's and SciPy's linear algebra computes on one thread.

    A search that goes by rounded gradients ends elsewhere when their sums are split among threads. On a few
    hundred samples threads cost more than they bring, besides.
    """
    block: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return block


@cache
def _controller() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  # its library has to be loaded to be found

    return ThreadpoolController()
