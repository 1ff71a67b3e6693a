"""The status bar's reading of a layer, made in a thread of napari's while the window may be changing the layer."""

from __future__ import annotations

import time
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer

__all__ = ["read_when_whole"]

TORN = (LookupError, ValueError, TypeError, AttributeError)
"""What napari meets in a layer of which one array has changed and another has not yet."""
MOST_TRIES, PAUSE_S = 50, 0.02


def read_when_whole(layer: Layer) -> None:
    """Let the status bar read a layer again that was being changed as it was read.

    Napari would show a person the traceback of its own thread, and say nothing about the nucleus.
    """
    for name in ("get_status", "_get_tooltip_text"):
        setattr(layer, name, _patient(getattr(layer, name)))


def _patient(read: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(read)
    def again(*args: Any, **options: Any) -> Any:
        for _ in range(MOST_TRIES):
            try:
                return read(*args, **options)
            except TORN:
                time.sleep(PAUSE_S)
        return read(*args, **options)

    return again
