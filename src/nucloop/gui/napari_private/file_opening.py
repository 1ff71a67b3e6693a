"""Files that a person opens or drops: where several readers know a file, napari asks which it shall take."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from nucloop.gui.napari_private.access import part
from nucloop.gui.napari_private.parts import itself, qt_viewer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.components import ViewerModel

__all__ = ["is_opening", "open_without_asking"]

_opening: WeakSet[ViewerModel] = WeakSet()


def is_opening(viewer: ViewerModel) -> bool:
    """Whether napari is opening a file: as it counts how many are left, it lets timers run in the midst of it."""
    return itself(viewer) in _opening


@contextmanager
def _while_opening(viewer: ViewerModel) -> Iterator[None]:
    _opening.add(viewer)
    try:
        yield
    finally:
        _opening.discard(viewer)


def open_without_asking(
    viewer: ViewerModel,
    plugin: str,
    knows: Callable[[str], bool],
    ahead: Callable[[Sequence[str], Callable[[str], None]], None],
) -> None:
    """Have files that a plugin knows read by it in one window, whatever else could read them.

    The person's settings stay as they are. *Open with plugin* still asks, and so does a file that the plugin does not
    know.

    Parameters
    ----------
    viewer : napari.Viewer
    plugin : str
        Its name.
    knows : callable
        Whether it knows a file.
    ahead : callable
        Gets files that it knows and a function, which it calls with each file once napari can open it without waiting
        for a disk.
    """
    qt_viewer = qt_viewer_of(viewer)
    as_napari_does = part(qt_viewer, "_qt_open")
    if as_napari_does is None:
        return

    def open_files(filenames: Sequence[str], stack: Any, choose_plugin: bool = False, **options: Any) -> None:
        if choose_plugin or stack or options.get("plugin"):
            as_napari_does(filenames, stack, choose_plugin, **options)
            return

        def open_known(name: str) -> None:
            with _while_opening(viewer):
                as_napari_does([name], stack, **{**options, "plugin": plugin})

        known = [name for name in filenames if knows(str(name))]
        others = [name for name in filenames if name not in known]
        if known:
            ahead(known, open_known)
        if others:
            as_napari_does(others, stack, **options)

    qt_viewer._qt_open = open_files
