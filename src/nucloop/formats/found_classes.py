"""The classes that a file names, collected while it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.classes import MOST_CLASSES, ClassScheme, NucleusClass
from nucloop.errors import DataError
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["FoundClasses"]

LONGEST_NAME = 200
# Okabe and Ito's colours, for classes whose file gives none.
_COLORS = ("#56b4e9", "#d55e00", "#009e73", "#f0e442", "#0072b2", "#e69f00", "#cc79a7")


class FoundClasses:
    """Class names as labels, in the order in which they are met.

    Parameters
    ----------
    source : str
        The file's name, for messages.
    scheme : ClassScheme, optional
        Classes that the file states beforehand.
    """

    def __init__(self, source: str, scheme: ClassScheme | None = None) -> None:
        self.source = source
        self._stated = scheme
        self._classes: list[NucleusClass] = list(scheme.classes) if scheme else []
        self._labels: dict[str, int] = {}
        for label, one in enumerate(self._classes):
            self._labels.setdefault(one.qupath, label)
        self._labels |= {one.name: label for label, one in enumerate(self._classes)}

    def label(self, name: object, color: str | None = None) -> int:
        """Return the label of a class name, a new one when it was not met before; UNLABELLED for an empty name.

        Raises
        ------
        DataError
            If the name is no text, or the file names more classes than anybody tells apart.
        """
        try:
            return self._labels[name]  # type: ignore[index]
        except (KeyError, TypeError):
            return self._new(name, color)

    def labels(self, names: Iterable[object]) -> list[int]:
        """Return the label of each name."""
        return [self.label(name) for name in names]

    def _new(self, name: object, color: str | None) -> int:
        if name is None or name == "":
            return UNLABELLED
        if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
            raise DataError(f"{self.source} has a class whose name is {str(name)[:40]!r}. Correct it at its source.")
        if len(self._classes) == MOST_CLASSES:
            raise DataError(
                f"{self.source} names more than {MOST_CLASSES} classes, so the column it calls class is something "
                "else. Export the nuclei again."
            )
        self._classes.append(NucleusClass(name, color or _COLORS[len(self._classes) % len(_COLORS)]))
        self._labels[name] = len(self._classes) - 1
        return self._labels[name]

    def __len__(self) -> int:
        return max(len(self._classes), 1)

    @property
    def scheme(self) -> ClassScheme:
        """The classes met so far; a file without any gets the one class "nucleus", which no nucleus then has."""
        if self._stated is not None and len(self._classes) == len(self._stated):
            return self._stated
        classes = tuple(self._classes) or (NucleusClass("nucleus", _COLORS[5]),)
        return ClassScheme(f"classes of {self.source}", classes)
