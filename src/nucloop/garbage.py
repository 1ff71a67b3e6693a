"""Python's search for garbage, kept from stopping the window.

A full search stops all threads until it has looked at every object there is: with napari and torch in memory 0.2 to
0.45 s (docs/speed.md). Nearly all of these objects are modules and live as long as the program.
"""

from __future__ import annotations

import atexit
import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["importing", "leave_out_what_is_here", "search_everywhere"]


@contextmanager
def importing() -> Iterator[None]:
    """Within it large libraries are imported: no search meanwhile, and later ones leave out what is there by then."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        leave_out_what_is_here()
        if searching:
            gc.enable()


def leave_out_what_is_here() -> None:
    """Have later searches look only at what comes from now on: a window stands, with all that it is made of."""
    gc.freeze()


def search_everywhere(*_: object) -> None:
    """Have later searches look at everything again: something large is gone, such as a window."""
    gc.unfreeze()


# what is left when the program ends is cleared up as ever
atexit.register(search_everywhere)
