"""What is fitted does not hang on how many threads the linear algebra has."""

import os
import subprocess
import sys

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from nasbench_suite.surrogates.blas_threads import one_blas_thread

FIT = """
import sys
import numpy as np
from nasbench_suite.surrogates.gaussian_process import GaussianProcess
rng = np.random.default_rng(0)
features = rng.integers(0, 2, (600, 35)).astype(float)
targets = features @ rng.random(35) + 0.1 * rng.standard_normal(600)
fitted = GaussianProcess(lengths="each", chosen=300).fit(features, targets)
again = GaussianProcess()
again.restore(fitted.state())
numbers = [*fitted.state().values(), fitted.predict(features), *fitted.distribution(features.astype("f4"))]
sys.stdout.buffer.write(b"".join(np.asarray(n).tobytes() for n in (*numbers, again.lower_)))
"""


def with_threads(count):
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(count))
    command = [sys.executable, "-c", FIT]
    return subprocess.run(command, env=os.environ | threads, capture_output=True, check=True).stdout


def test_a_gaussian_process_is_the_same_on_any_number_of_threads():
    one, two = with_threads(1), with_threads(2)
    assert len(one) > 600 * 600 * 8
    assert one == two


def blas_threads():
    return {entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"}


def test_there_is_one_thread_in_the_block_and_as_many_as_before_after_it():
    scipy.linalg.cholesky(np.eye(2))  # both libraries are loaded
    with threadpool_limits(2, "blas"):
        before = blas_threads()
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == before
