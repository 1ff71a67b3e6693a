"""Slides that NucLoop's own readers leave to OpenSlide."""

from nucloop.errors import SlideError


class NeedsOpenSlide(SlideError):
    """A slide that is opened with OpenSlide where that is installed, and refused with the way there where it is not."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name} needs OpenSlide: {reason}. Install it with: pip install openslide-python openslide-bin"
        )
