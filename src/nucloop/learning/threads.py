"""Small matrix products on one thread.

A library that spreads a product of a few thousand rows over all cores waits for the slowest of them: beside a running
detection one such product took a hundred times as long as on a single thread, and a fit makes over a hundred.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["one_thread"]


@cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401 - brings a library of its own
    from threadpoolctl import ThreadpoolController

    # libraries must be at work to be found; finding them takes longer than a fit may, so it is done once
    np.zeros((1, 1)) @ np.zeros((1, 1))
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep matrix products to one thread while this block runs; also a decorator.

    Where two threads of the program ask for it at once, the limit ends with the first one's block: the other is slower
    then, never wrong.
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield
