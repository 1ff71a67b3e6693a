"""What napari shows: the only place that knows napari and Qt."""
