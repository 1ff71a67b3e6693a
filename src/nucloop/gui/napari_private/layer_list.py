"""napari's list of layers, kept from drawing the window again and again.

The list lays itself out anew after every event of any layer, a moment later, and each time the whole window is composed
once more. Where OpenGL is software that is as dear as the edit itself.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from qtpy.QtCore import QAbstractItemModel, QAbstractProxyModel
from qtpy.QtWidgets import QAbstractItemView

from nucloop.gui.napari_private.access import part
from nucloop.gui.napari_private.parts import qt_viewer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.components import ViewerModel

__all__ = ["follow_now", "unseen"]


def _list_of(viewer: ViewerModel) -> QAbstractItemView | None:
    """Return the list's widget; None for a viewer without a window, and in another napari."""
    widget = part(qt_viewer_of(viewer), "layers")
    return widget if isinstance(widget, QAbstractItemView) else None


def _model_of(viewer: ViewerModel) -> QAbstractItemModel | None:
    """Return what tells the list of changes, before napari sorts it."""
    widget = _list_of(viewer)
    sorted_model = None if widget is None else widget.model()
    return sorted_model.sourceModel() if isinstance(sorted_model, QAbstractProxyModel) else sorted_model


@contextmanager
def unseen(viewer: ViewerModel) -> Iterator[None]:
    """Within it, layers change nothing that the list shows: colours, features, selections."""
    model = _model_of(viewer)
    before = model is not None and model.blockSignals(True)
    try:
        yield
    finally:
        if model is not None:
            model.blockSignals(before)


def follow_now(viewer: ViewerModel) -> None:
    """Have the list ready for the frame in which everything else is drawn, instead of one of its own."""
    widget = _list_of(viewer)
    if widget is not None:
        widget.executeDelayedItemsLayout()
