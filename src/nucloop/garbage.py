"""Python's search for garbage, kept from stopping the window.

A full search stops all threads until it has looked at every object there is: with napari and torch in memory 0.2 to
0.45 s (docs/speed.md). Nearly all of these objects are modules and live as long as the program.
"""

from __future__ import annotations

import atexit
import gc
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["importing", "leave_out_what_is_here", "no_search", "search_everywhere", "search_everywhere_for_now"]

_FULL = 2
"""The number of a search among objects of every age."""

SETTLED_S = 20.0
"""So long after an image was removed, nothing that is about to happen refers to it any more."""


class _Search:
    """What later searches look at."""

    allowed_to_leave_out: ClassVar[bool] = True
    """Until a window is gone, of which something may still be here, and again when the next one stands."""
    everything_until: ClassVar[float | None] = None
    """Until then everything is looked at."""


@contextmanager
def no_search() -> Iterator[None]:
    """Let Python not search meanwhile, as when millions of small objects without cycles come, which go as ever."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


@contextmanager
def importing() -> Iterator[None]:
    """Within it large libraries are imported: no search meanwhile, and later ones leave out what is there by then."""
    with no_search():
        try:
            yield
        finally:
            if _Search.allowed_to_leave_out:
                leave_out_what_is_here()


def leave_out_what_is_here() -> None:
    """Have later searches look only at what comes from now on: a window stands, with all that it is made of."""
    _Search.allowed_to_leave_out = True
    if _Search.everything_until is None:
        gc.freeze()


def search_everywhere() -> None:
    """Have later searches look at everything again: a window is gone."""
    _Search.allowed_to_leave_out, _Search.everything_until = False, None
    gc.unfreeze()


def search_everywhere_for_now() -> None:
    """Have searches look at everything, and leave out again what is left after a while: an image is gone."""
    gc.unfreeze()
    _Search.everything_until = time.monotonic() + SETTLED_S
    if _after_a_search not in gc.callbacks:
        gc.callbacks.append(_after_a_search)


def _after_a_search(phase: str, info: dict[str, int]) -> None:
    until = _Search.everything_until
    if phase == "stop" and info["generation"] == _FULL and until is not None and time.monotonic() > until:
        _Search.everything_until = None
        leave_out_what_is_here()


# what is left when the program ends is cleared up as ever
atexit.register(search_everywhere)
