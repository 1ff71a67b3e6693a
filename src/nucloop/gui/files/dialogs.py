"""Opening the dialogs for files: from the menu, from the docks, or because a file was dropped on the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.notifications import show_warning

from nucloop.gui.correct.correcting import Correcting
from nucloop.gui.files.export_dialog import ExportDialog
from nucloop.gui.files.import_dialog import ImportDialog
from nucloop.gui.napari_private.parts import itself, keeper_of, window_of

if TYPE_CHECKING:
    from pathlib import Path

    import napari
    from napari.layers import Image

__all__ = ["export_nuclei", "image_meant", "import_nuclei", "open_export", "open_import"]


def export_nuclei(viewer: napari.Viewer) -> None:
    """Open the export dialog; the menu's command."""
    open_export(viewer)


def import_nuclei(viewer: napari.Viewer) -> None:
    """Open the import dialog; the menu's command."""
    open_import(viewer)


def open_export(viewer: napari.Viewer) -> ExportDialog | None:
    """Return the export dialog of the nuclei that are meant; None, and a word about it, when there are none."""
    viewer = itself(viewer)
    nuclei = Correcting.of(viewer).nuclei
    if nuclei is None or not len(nuclei.session):
        show_warning("There are no nuclei to export yet. Detect or import some first.")
        return None
    for dialog in keeper_of(viewer).findChildren(ExportDialog):
        if dialog.isVisible():
            if dialog.nuclei is nuclei:
                dialog.raise_()
                dialog.activateWindow()
                return dialog
            dialog.close()
    dialog = ExportDialog(nuclei, Correcting.of(viewer).sessions, window_of(viewer))
    dialog.show()
    return dialog


def open_import(viewer: napari.Viewer, path: Path | None = None) -> ImportDialog | None:
    """Return the import dialog of the image that is meant; None, and a word about it, when no image is open."""
    viewer = itself(viewer)
    image = image_meant(viewer)
    if image is None:
        show_warning("Nuclei lie on a slide: open the slide first, then import them.")
        return None
    for dialog in keeper_of(viewer).findChildren(ImportDialog):
        if dialog.isVisible():
            dialog.close()
    dialog = ImportDialog(viewer, image, Correcting.of(viewer).sessions, window_of(viewer))
    dialog.show()
    if path is not None:
        dialog.open_file(path)
    return dialog


def image_meant(viewer: napari.Viewer) -> Image | None:
    """Return the image that a person means: that of the active layer, or the one on top."""
    return Correcting.of(viewer).sessions.current.image
