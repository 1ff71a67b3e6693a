"""Files that close themselves: a slide has no natural end when a window shows it."""

from collections.abc import Callable
from weakref import finalize


class OpenFile:
    """Closes a file when asked, or once nothing that reads from it is left.

    Every pixel source of the file keeps a reference to this object.
    """

    def __init__(self, close: Callable[[], object]) -> None:
        self._finalize = finalize(self, close)

    def close(self) -> None:
        """Close the file now; a second call does nothing."""
        self._finalize()

    @property
    def closed(self) -> bool:
        """Whether the file has been closed."""
        return not self._finalize.alive
