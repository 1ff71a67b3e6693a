"""The status bar's reading of a layer, made in a thread of napari's while the window may be changing the layer."""

from __future__ import annotations

import logging
import threading
import time
from functools import wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.gui.napari_private.access import has_parts
from nucloop.gui.napari_private.points_parts import rows_in_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Points

__all__ = ["read_when_whole"]

TORN = (LookupError, ValueError, TypeError, AttributeError)
"""What napari meets in a layer of which one array has changed and another has not yet; a fault may be one too."""
LONGEST_S, PAUSE_S = 1.0, 0.02
_BY_POINT = ("data", "features", "size", "shown", "symbol", "border_width", "face_color", "border_color")

_log = logging.getLogger(__name__)


def read_when_whole(layer: Points) -> None:
    """Let the status bar read a layer again that was being changed as it was read.

    Napari would show a person the traceback of its own thread, and say nothing about the nucleus. What goes wrong while
    nothing is being changed is a fault: the log has it once, and the status bar says nothing about the layer.
    """
    _make_patient(layer, "get_status", lambda: _no_status(layer))
    if has_parts(layer, "_get_tooltip_text"):
        _make_patient(layer, "_get_tooltip_text", str)


def _make_patient(layer: Points, name: str, nothing: Callable[[], Any]) -> None:
    setattr(layer, name, _patient(layer, getattr(layer, name), nothing))


def _patient(layer: Points, read: Callable[..., Any], nothing: Callable[[], Any]) -> Callable[..., Any]:
    told = False

    @wraps(read)
    def again(*args: Any, **options: Any) -> Any:
        nonlocal told
        began = time.monotonic()
        while True:
            before = _arrays(layer)
            try:
                return read(*args, **options)
            except TORN:
                changing = not _is_whole(before) or not _are_the_same(before, _arrays(layer))
                if not changing and not told:
                    told = True
                    _log.exception("The status of the layer %s cannot be read, and is left out", layer.name)
                # the window changes layers in its own thread only: waiting there would be in vain
                if not changing or _in_main_thread() or time.monotonic() - began > LONGEST_S:
                    return nothing()
            time.sleep(PAUSE_S)

    return again


def _arrays(layer: Points) -> list[Any]:
    """Return what a layer says of its points, one array each; last which of them are in view, where that is known."""
    arrays = []
    for name in _BY_POINT:
        try:
            arrays.append(getattr(layer, name))
        except TORN:
            arrays.append(None)
    return [*arrays, rows_in_view(layer)]


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _is_whole(arrays: list[Any]) -> bool:
    """Whether all have as many entries as there are points, and none is in view that is not there."""
    *by_point, in_view = arrays
    if any(array is None or len(array) != len(by_point[0]) for array in by_point):
        return False
    return in_view is None or not len(in_view) or int(np.max(in_view)) < len(by_point[0])


def _are_the_same(before: list[Any], after: list[Any]) -> bool:
    return all(one is other for one, other in zip(before, after, strict=True))


def _no_status(layer: Points) -> dict[str, str]:
    said = ("source_type", "plugin", "coordinates", "coords", "value")
    return {"layer_name": layer.name, "layer_base": layer.name, **dict.fromkeys(said, "")}
