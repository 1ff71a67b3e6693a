"""Slides: lazy pyramids in level-0 pixels, with microns per pixel."""

from nucloop.slides.arrays import slide_from_array, slide_from_levels
from nucloop.slides.box import Box
from nucloop.slides.registry import SUFFIXES, open_slide, reader_for
from nucloop.slides.slide import Level, Slide

__all__ = [
    "SUFFIXES",
    "Box",
    "Level",
    "Slide",
    "open_slide",
    "reader_for",
    "slide_from_array",
    "slide_from_levels",
]
