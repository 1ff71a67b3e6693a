"""Files that a person opens or drops: where several readers know a file, napari asks which it shall take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nucloop.gui.napari_private.access import part
from nucloop.gui.napari_private.parts import qt_viewer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel

__all__ = ["open_without_asking"]


def open_without_asking(viewer: ViewerModel, plugin: str, knows: Callable[[str], bool]) -> None:
    """Have files that a plugin knows read by it in one window, whatever else could read them.

    The person's settings stay as they are. *Open with plugin* still asks, and so does a file that the plugin does not
    know.
    """
    qt_viewer = qt_viewer_of(viewer)
    as_napari_does = part(qt_viewer, "_qt_open")
    if as_napari_does is None:
        return

    def open_files(filenames: Sequence[str], stack: Any, choose_plugin: bool = False, **options: Any) -> None:
        if choose_plugin or stack or options.get("plugin"):
            as_napari_does(filenames, stack, choose_plugin, **options)
            return
        others = [name for name in filenames if not knows(str(name))]
        for name in filenames:
            if name not in others:
                as_napari_does([name], stack, **{**options, "plugin": plugin})
        if others:
            as_napari_does(others, stack, **options)

    qt_viewer._qt_open = open_files
