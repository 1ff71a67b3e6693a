"""The nuclei layer: a window of napari points onto a session."""
