"""What napari shows: the only place that knows napari and Qt."""

from nucloop.gui.napari_private.triton_apart import keep_triton_apart

keep_triton_apart()
