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
        Names that each class had before, and those of classes that were merged into it: a model that learnt the old
        name still knows the class.
    dropped : tuple of str
        Names of classes that were removed and became none: what a model calls so gets no class.
    """

    scheme: ClassScheme
    codes: tuple[int, ...]
    next_code: int
    former: tuple[tuple[str, ...], ...]
    dropped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.scheme)
        if len(self.codes) != n or len(self.former) != n or len(set(self.codes)) != n:
            raise ValueError("every class needs a code of its own")
        if not (max(self.codes) < self.next_code <= MOST_CODES and min(self.codes) >= 0):
            raise ValueError(f"class codes must lie in 0 to {MOST_CODES - 1} and below {self.next_code}")
        if any(len(names) > _MOST_NAMES for names in (*self.former, self.dropped)):
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

    def positions_of_model(self, other: ClassScheme) -> list[int]:
        """Find the classes of a model as `positions_of` does; UNLABELLED stands for those that were dropped here."""
        kept = [k for k, c in enumerate(other.classes) if not self._was_dropped(c.name)]
        if not kept:
            return [UNLABELLED] * len(other)
        found = iter(self.positions_of(replace(other, classes=tuple(other.classes[k] for k in kept))))
        return [next(found) if k in kept else UNLABELLED for k in range(len(other))]

    def missing(self, other: ClassScheme) -> list[str]:
        """Name the classes of another scheme that are not here."""
        return [c.name for c, at in zip(other.classes, self._positions(other), strict=True) if at is None]

    def unknown_to(self, model: ClassScheme) -> list[str]:
        """Name the classes of a model that are not here and were not dropped here either."""
        return [name for name in self.missing(model) if not self._was_dropped(name)]

    def _was_dropped(self, name: str) -> bool:
        return bool(self.dropped) and _same(name, self.dropped) and not _same(name, self.scheme.classes)

    def _positions(self, other: ClassScheme) -> list[int | None]:
        now = join(other.classes, self.scheme.classes).forth
        return [self.formerly(c.name) if at is None else at for c, at in zip(other.classes, now, strict=True)]

    def formerly(self, name: str) -> int | None:
        """Return the label of the class that was once called so; None when none was."""
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
        # the name means this class from now on, and no other that was once called so
        former = tuple(tuple(name for name in names if not _same(new.name, [name])) for names in self.former)
        dropped = tuple(name for name in self.dropped if not _same(new.name, [name]))
        return Palette(scheme, (*self.codes, self.next_code), self.next_code + 1, (*former, ()), dropped)

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

    def without(self, position: int, into: int | None = None) -> Palette:
        """Return the palette without one class; a model that knows its names means the class `into`, or none.

        Raises
        ------
        SessionError
            If it is the last one.
        """
        if len(self.scheme) == 1:
            raise SessionError(f"{self.scheme.names[0]} is the only class and must stay. Add another one first.")
        names = (*self.former[position], self.scheme.names[position])
        former, dropped = list(self.former), self.dropped
        if into is None:
            dropped = (*dropped, *names)[-_MOST_NAMES:]
        else:
            former[into] = (*former[into], *names)[-_MOST_NAMES:]
        stay = [k for k in range(len(self.scheme)) if k != position]
        return replace(self, former=tuple(former), dropped=dropped)._taken(stay)

    def ordered(self, names: Sequence[str]) -> Palette:
        """Return the palette with its classes in another order; ValueError unless each is named once."""
        if sorted(names) != sorted(self.scheme.names):
            raise ValueError(f"an order of classes must name each of {', '.join(self.scheme.names)} once")
        return self._taken([self.scheme.names.index(name) for name in names])

    def _taken(self, positions: Sequence[int]) -> Palette:
        scheme = self._scheme(tuple(self.scheme.classes[k] for k in positions))
        codes = tuple(self.codes[k] for k in positions)
        return replace(self, scheme=scheme, codes=codes, former=tuple(self.former[k] for k in positions))

    def under(self, scheme: ClassScheme, used: Sequence[int]) -> Palette:
        """Return the palette with the classes of another scheme first, in its order and under its names.

        Classes that are the same by `join` keep their code, and so their nuclei. Those that are in `used` (positions)
        and not in the other scheme come after its classes; all others go, and what a model calls so gets no class.
        """
        ours = {theirs: mine for mine, theirs in join(self.scheme.classes, scheme.classes).pairs}
        stay = [k for k in used if k not in ours.values()]
        taken = {c.key for c in scheme.classes}
        # a key that the scheme has given to another class is free to be found anew
        left = [replace(c, key=0) if c.key in taken else c for c in (self.scheme.classes[k] for k in stay)]
        classes, codes, former, next_code = [*scheme.classes, *left], [], [], self.next_code
        for theirs, one in enumerate(scheme.classes):
            mine = ours.get(theirs)
            codes.append(next_code if mine is None else self.codes[mine])
            next_code += mine is None
            was = () if mine is None else (*self.former[mine], self.scheme.names[mine])
            former.append(tuple(name for name in was if name != one.name)[-_MOST_NAMES:])
        codes += [self.codes[k] for k in stay]
        former += [self.former[k] for k in stay]
        gone = [k for k in range(len(self.scheme)) if k not in ours.values() and k not in stay]
        names = (*self.dropped, *(name for k in gone for name in (*self.former[k], self.scheme.names[k])))
        dropped = tuple(name for name in names if not _same(name, classes))[-_MOST_NAMES:]
        if next_code > MOST_CODES:
            raise SessionError(
                f"This session has seen {MOST_CODES} classes, no more are possible. Rename some instead."
            )
        try:
            whole = replace(scheme, classes=tuple(classes))
        except ValueError as error:
            raise SessionError(f"The classes stay as they are: {error}. Remove a class first.") from error
        return Palette(whole, tuple(codes), next_code, tuple(former), dropped)

    def _scheme(self, classes: tuple[NucleusClass, ...]) -> ClassScheme:
        try:
            return replace(self.scheme, classes=classes)
        except ValueError as error:
            raise SessionError(f"The classes stay as they are: {error}. Change the name or remove a class.") from error

    def to_dict(self) -> dict[str, Any]:
        """Plain types, as the journal keeps them."""
        former = [list(names) for names in self.former]
        # versions that drop no names read what has none
        dropped = {"dropped": list(self.dropped)} if self.dropped else {}
        scheme = self.scheme.to_dict()
        return {"scheme": scheme, "codes": list(self.codes), "next": self.next_code, "former": former, **dropped}

    @classmethod
    def from_dict(cls, data: object, *, source: str) -> Palette:
        """Inverse of `to_dict`; ValueError or DataError when it does not fit."""
        match data:
            case {"scheme": scheme, "codes": [*codes], "next": int(next_code), "former": [*former]}:
                dropped = data.get("dropped", []) if isinstance(data, dict) else []
                if all(isinstance(code, int) for code in codes) and all(_names(names) for names in [*former, dropped]):
                    known = ClassScheme.from_dict(scheme, source=source)
                    return cls(known, tuple(codes), next_code, tuple(map(tuple, former)), tuple(dropped))
        raise ValueError(f"the classes in {source} are malformed")


def _same(name: str, classes: Sequence[NucleusClass | str]) -> bool:
    """Whether a name means any of these classes."""
    joined = join([name], classes)
    return bool(joined.reached or joined.unclear)


def _names(names: object) -> bool:
    return isinstance(names, list) and all(isinstance(name, str) for name in names)
