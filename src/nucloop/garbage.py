"""Python's search for garbage, kept from stopping the window.

A full search stops all threads until it has looked at every object there is: with napari and torch in memory 0.2 to
0.45 s (docs/speed.md). Nearly all of these objects are modules and live as long as the program.
"""

from __future__ import annotations

import atexit
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "importing",
    "leave_out_what_is_here",
    "no_search",
    "search_all",
    "search_everywhere",
    "search_what_came_late",
]


class _Search:
    """What later searches look at."""

    allowed_to_leave_out: ClassVar[bool] = True
    """Until a window is gone, of which something may still be here, and again when the next one stands."""


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
    gc.freeze()


def search_everywhere() -> None:
    """Have later searches look at everything again: a window is gone."""
    _Search.allowed_to_leave_out = False
    gc.unfreeze()


def search_what_came_late() -> None:
    """Search now, among all that came since something was left out."""
    gc.collect()


def search_all() -> None:
    """Search now among everything; later searches leave out what they left out before, and what came since.

    It stops the window for a moment: only where something is sought that was not found without it.
    """
    gc.unfreeze()
    gc.collect()
    if _Search.allowed_to_leave_out:
        gc.freeze()


# what is left when the program ends is cleared up as ever
atexit.register(search_everywhere)
