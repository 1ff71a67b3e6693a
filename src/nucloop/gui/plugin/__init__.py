"""What napari's manifest names, and the program that opens a window."""
