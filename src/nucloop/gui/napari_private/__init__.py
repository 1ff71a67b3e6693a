"""The only place that touches napari's and vispy's private parts; everything works without them too."""
