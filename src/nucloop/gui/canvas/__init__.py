"""napari's window: what is in view, the slide behind an image layer, drawn regions, colours, where docks stand."""
