"""Where a run's time goes: a stop watch at each step of the pipeline, by wrapping the functions that do it."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from functools import wraps
from threading import Lock
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from tests.benchmarks.subjects import STAGES

from nucloop.detection import classifier, proposer
from nucloop.detection.stage import Stage
from nucloop.models.denuc import DenucDetector
from nucloop.models.heads import LinearHead
from nucloop.slides import Slide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS: tuple[tuple[Any, str, Callable[..., str]], ...] = (
    (Slide, "read_working", lambda *_: "read"),
    (Stage, "__call__", lambda stage, *_: "detect" if isinstance(stage.net, DenucDetector) else "encode"),
    (proposer, "suppress_non_maxima", lambda *_: "decode"),
    (classifier, "sample_at", lambda *_: "encode"),
    (LinearHead, "classify", lambda *_: "classify"),
)
"""Who does a step, the function, and to which stage a call of it counts."""


@contextmanager
def clocked_stages() -> Iterator[dict[str, float]]:
    """Within it, add up the seconds of every stage.

    Tiles are read in a thread of their own, beside the networks, so the stages add up to more than the whole.
    """
    seconds = dict.fromkeys(STAGES, 0.0)
    lock = Lock()

    def clocked(function: Callable[..., Any], stage_of: Callable[..., str]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                with lock:
                    seconds[stage_of(*args)] += time.perf_counter() - began

        return call

    with ExitStack() as stack:
        for owner, name, stage_of in STEPS:
            stack.enter_context(patch.object(owner, name, clocked(getattr(owner, name), stage_of)))
        yield seconds
