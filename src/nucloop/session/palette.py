"""The classes of a session over time: each has a code for life, so that editing the scheme moves no label."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.classes import ClassScheme, NucleusClass, join
from nucloop.errors import SessionError
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["MOST_CODES", "Palette"]

MOST_CODES = 256
"""Classes that a session may have seen in its whole life, removed ones included."""
_MOST_NAMES = 100


@dataclass(frozen=True)
class Palette:
    """A class scheme and, for each of its classes, the code that stands for it in every column.

    Parameters
    ----------
    scheme : ClassScheme
        The classes as they are now.
    codes : tuple of int
        One for each class; a code is never given twice, even after its class was removed.
    next_code : int
        The code of the next class to come.
    former : tuple of tuple of str
        Names that each class had before: a model that learnt the old name still knows the class.
    """

    scheme: ClassScheme
    codes: tuple[int, ...]
    next_code: int
    former: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        n = len(self.scheme)
        if len(self.codes) != n or len(self.former) != n or len(set(self.codes)) != n:
            raise ValueError("every class needs a code of its own")
        if not (max(self.codes) < self.next_code <= MOST_CODES and min(self.codes) >= 0):
            raise ValueError(f"class codes must lie in 0 to {MOST_CODES - 1} and below {self.next_code}")
        if any(len(names) > _MOST_NAMES for names in self.former):
            raise ValueError("a class has too many former names")

    @classmethod
    def of(cls, scheme: ClassScheme) -> Palette:
        """Begin with the classes of a scheme."""
        n = len(scheme)
        return cls(scheme, tuple(range(n)), n, ((),) * n)

    def encode(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.int16]:
        """Turn labels (positions in the scheme, or UNLABELLED) into codes."""
        table = np.array([*self.codes, UNLABELLED], np.int16)
        return np.asarray(table[labels])

    def decode(self, codes: NDArray[np.integer[Any]]) -> NDArray[np.int16]:
        """Turn codes into labels; codes of removed classes, and negative ones, become UNLABELLED."""
        table = np.full(MOST_CODES + 1, UNLABELLED, np.int16)
        table[list(self.codes)] = np.arange(len(self.codes))
        return np.asarray(table[np.maximum(codes, UNLABELLED)])

    def position(self, name: str) -> int:
        """Return the label of a class by its name; SessionError when there is none."""
        try:
            return self.scheme.index(name)
        except ValueError as error:
            raise SessionError(
                f"The session has no class {name!r}. Its classes are {', '.join(self.scheme.names)}."
            ) from error

    def code(self, label: int | str) -> int:
        """Return the code of a label or class name; ValueError when the label is not in the scheme."""
        position = self.position(label) if isinstance(label, str) else int(label)
        if position == UNLABELLED:
            return UNLABELLED
        if not 0 <= position < len(self.scheme):
            raise ValueError(f"label {label} is outside the {len(self.scheme)} classes of {self.scheme.name}")
        return self.codes[position]

    def positions_of(self, other: ClassScheme) -> list[int]:
        """Find the classes of another scheme here, as they are now (by `join`) or under a former name.

        Raises
        ------
        SessionError
            If a class is not here.
        """
        found, missing = self._positions(other), self.missing(other)
        if missing:
            raise SessionError(
                f"The session has no class {', '.join(missing)} (of {other.name}); its classes are "
                f"{', '.join(self.scheme.names)}. Add what is missing to the session's classes and try again."
            )
        return [at for at in found if at is not None]

    def missing(self, other: ClassScheme) -> list[str]:
        """Name the classes of another scheme that are not here."""
        return [c.name for c, at in zip(other.classes, self._positions(other), strict=True) if at is None]

    def _positions(self, other: ClassScheme) -> list[int | None]:
        now = join(other.classes, self.scheme.classes).forth
        return [self._formerly(c.name) if at is None else at for c, at in zip(other.classes, now, strict=True)]

    def _formerly(self, name: str) -> int | None:
        were = (at for at, names in enumerate(self.former) if any(_same(name, [former]) for former in names))
        return next(were, None)

    def added(self, new: NucleusClass) -> Palette:
        """Return the palette with one class more, at the end.

        Raises
        ------
        SessionError
            If the name is taken, or there are too many classes.
        """
        if _same(new.name, self.scheme.classes):
            raise SessionError(f"There is a class {new.name!r} already. Choose another name.")
        scheme = self._scheme((*self.scheme.classes, new))
        if self.next_code >= MOST_CODES:
            raise SessionError(f"This session has seen {MOST_CODES} classes, no more are possible. Rename one instead.")
        return Palette(scheme, (*self.codes, self.next_code), self.next_code + 1, (*self.former, ()))

    def changed(self, position: int, new: NucleusClass) -> Palette:
        """Return the palette with another name, colour or QuPath name for one class.

        Raises
        ------
        SessionError
            If the name is another class's.
        """
        classes, former = list(self.scheme.classes), list(self.former)
        old = classes[position]
        if _same(new.name, [c for c in classes if c is not old]):
            raise SessionError(f"There is another class {new.name!r} already. Choose another name.")
        classes[position] = new
        if new.name != old.name and old.name not in former[position]:
            former[position] = (*former[position], old.name)[-_MOST_NAMES:]
        return replace(self, scheme=self._scheme(tuple(classes)), former=tuple(former))

    def without(self, position: int) -> Palette:
        """Return the palette without one class.

        Raises
        ------
        SessionError
            If it is the last one.
        """
        if len(self.scheme) == 1:
            raise SessionError(f"{self.scheme.names[0]} is the only class and must stay. Add another one first.")

        def kept(items: tuple[Any, ...]) -> tuple[Any, ...]:
            return items[:position] + items[position + 1 :]

        scheme = self._scheme(kept(self.scheme.classes))
        return Palette(scheme, kept(self.codes), self.next_code, kept(self.former))

    def _scheme(self, classes: tuple[NucleusClass, ...]) -> ClassScheme:
        try:
            return replace(self.scheme, classes=classes)
        except ValueError as error:
            raise SessionError(f"The classes stay as they are: {error}. Change the name or remove a class.") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as the journal keeps them."""
        former = [list(names) for names in self.former]
        return {"scheme": self.scheme.to_dict(), "codes": list(self.codes), "next": self.next_code, "former": former}

    @classmethod
    def from_dict(cls, data: object, *, source: str) -> Palette:
        """Inverse of `to_dict`; ValueError or DataError when it does not fit."""
        match data:
            case {"scheme": scheme, "codes": [*codes], "next": int(next_code), "former": [*former]}:
                if all(isinstance(code, int) for code in codes) and all(_names(names) for names in former):
                    known = ClassScheme.from_dict(scheme, source=source)
                    return cls(known, tuple(codes), next_code, tuple(map(tuple, former)))
        raise ValueError(f"the classes in {source} are malformed")


def _same(name: str, classes: Sequence[NucleusClass | str]) -> bool:
    """Whether a name means any of these classes."""
    joined = join([name], classes)
    return bool(joined.reached or joined.unclear)


def _names(names: object) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
