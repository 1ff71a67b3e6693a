import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from nucloop.learning.threads import one_thread


def threads() -> set[int]:
    np.zeros((2, 2)) @ np.zeros((2, 2))
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_products_run_on_one_thread_until_the_outer_block_has_ended():
    with one_thread():
        pass  # finds the libraries
    with threadpool_limits(2, user_api="blas"):
        with one_thread():
            with one_thread():
                assert threads() == {1}
            assert threads() == {1}
        assert threads() == {2}
