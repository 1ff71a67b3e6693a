"""Every subject is measured in a process of its own: memory, caches and a crash of one are no other's affair."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

CORES = 2


@dataclass(frozen=True)
class Models:
    """Names or files of the networks that are measured; the shipped ones unless somebody says otherwise."""

    detector: str = "denuc-mobilenet"
    encoder: str = "embedded"
    head: str = "brca-m2c"


def keep_to_two_cores() -> None:
    """Leave this process and its children two cores and no GPU, as the bars are for that."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def in_fresh_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function of a module in a new interpreter and return what it returns.

    Raises
    ------
    BrokenProcessPool
        If the process died.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args, **kwargs).result()
