"""Files that a person opens or drops: where several readers know a file, napari asks which it shall take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nucloop.gui.napari_private.access import part
from nucloop.gui.napari_private.parts import qt_viewer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["open_without_asking", "say_source"]


def say_source(layer: Layer, path: str, plugin: str) -> None:
    """Have a layer say which plugin has read it, and from where, as napari does where it opens a file."""
    say = part(layer, "_set_source")
    if say is not None:
        say(type(layer.source)(path=path, reader_plugin=plugin))


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
        Opens files that it knows; gets a function to call with each that napari is to open after all, as it says what
        is wrong with one.
    """
    qt_viewer = qt_viewer_of(viewer)
    as_napari_does = part(qt_viewer, "_qt_open")
    if as_napari_does is None:
        return

    def open_files(filenames: Sequence[str], stack: Any, choose_plugin: bool = False, **options: Any) -> None:
        if choose_plugin or stack or options.get("plugin"):
            as_napari_does(filenames, stack, choose_plugin, **options)
            return

        def open_as_napari_does(name: str) -> None:
            as_napari_does([name], stack, **{**options, "plugin": plugin})

        known = [name for name in filenames if knows(str(name))]
        others = [name for name in filenames if name not in known]
        if known:
            ahead(known, open_as_napari_does)
        if others:
            as_napari_does(others, stack, **options)

    qt_viewer._qt_open = open_files
