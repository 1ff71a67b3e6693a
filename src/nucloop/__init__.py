"""NucLoop: detect nuclei, classify them, and measure how well, on slides of any size."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__: str = version("napari-nucloop")
