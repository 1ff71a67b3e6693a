"""Editing the classes of a session: each edit is one step for undo, and what people have said goes along."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.errors import SessionError
from nucloop.nuclei import UNLABELLED
from nucloop.session.edits import unclassed
from nucloop.session.history import EditKind
from nucloop.session.memory import Memory
from nucloop.session.patch import Patch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nucloop.classes import ClassScheme, NucleusClass
    from nucloop.session.change import Change
    from nucloop.session.palette import Palette

__all__ = ["ClassEdits", "ClassUse"]


@dataclass(frozen=True)
class ClassUse:
    """What hangs on a class.

    Parameters
    ----------
    nuclei : int
        Nuclei that have it by the last word about each.
    said : dict
        Of how many nuclei each reader says so, only those who do.
    """

    nuclei: int
    said: dict[str, int]

    @property
    def by_people(self) -> int:
        """Words of people, all readers together."""
        return sum(self.said.values())


def _called(one: NucleusClass, name: str) -> NucleusClass:
    return replace(one, name=name)


class ClassEdits(Memory):
    """The part of a session that changes its classes. Nobody edits classes of nuclei here but by removing one."""

    def record(
        self, kind: EditKind, patch: Patch, *, details: dict[str, Any] | None = None, palette: Palette | None = None
    ) -> Change:
        """Write an edit, carry it out and tell the listeners."""
        raise NotImplementedError

    def missing_classes(self, scheme: ClassScheme) -> list[str]:
        """Name the classes of a model that the session neither has, nor had under another name, nor has dropped."""
        return self._palette.unknown_to(scheme)

    def name_now(self, name: str) -> str | None:
        """Return what a class is called by now that had this name once, or has it; None when there is none."""
        label = self.scheme.find(name)
        label = self._palette.formerly(name) if label is None else label
        return None if label is None else self.scheme.names[label]

    def as_called_now(self, scheme: ClassScheme) -> ClassScheme:
        """Return a scheme of earlier days with the names that its classes have by now.

        Classes that are one by now keep the names they had: no scheme has a name twice.
        """
        now = [self.name_now(name) or name for name in scheme.names]
        names = [new if now.count(new) == 1 else old for old, new in zip(scheme.names, now, strict=True)]
        if tuple(names) == scheme.names or len(set(names)) < len(names):
            return scheme
        return replace(scheme, classes=tuple(map(_called, scheme.classes, names)))

    def use_of(self, name: str) -> ClassUse:
        """Return what would be touched if a class were removed; goes over all nuclei."""
        code, columns = self._palette.code(name), self._columns
        alive = columns.alive()
        said = {
            reader: int(((columns[f"said{k}"] == code) & alive).sum())
            for k, reader in enumerate(self.readers, 1)
            if columns.has(f"said{k}")
        }
        return ClassUse(int(((columns["label"] == code) & alive).sum()), {who: n for who, n in said.items() if n})

    def add_class(self, new: NucleusClass) -> Change:
        """Add a class at the end of the scheme."""
        return self._reclass(self._palette.added(new), f"new class {new.name}")

    def change_class(self, name: str, new: NucleusClass) -> Change:
        """Give a class another name, colour or QuPath name; models that know the old name still find it."""
        position = self._palette.position(name)
        old = self.scheme.names[position]
        did = f"renaming {old} to {new.name}" if new.name != old else f"look of {old}"
        return self._reclass(self._palette.changed(position, new), did)

    def set_class_key(self, name: str, key: int) -> Change:
        """Give a class one of the number keys, 1 to 9; the class that had it gets this one's in exchange."""
        position, keys = self._palette.position(name), self.scheme.keys
        palette, before = self._palette, keys[position]
        other = keys.index(key) if key in keys else None
        for at, new in ((other, 0), (position, key), (other, before)):
            if at is not None:
                palette = palette.changed(at, replace(palette.scheme.classes[at], key=new))
        return self._reclass(palette, f"key of {self.scheme.names[position]}")

    def order_classes(self, names: Sequence[str]) -> Change:
        """Put the classes in another order; each of them is named once."""
        return self._reclass(self._palette.ordered(names), "order of classes")

    def remove_class(self, name: str, into: str | None = None) -> Change:
        """Remove a class; its nuclei, and what people said of them, get the class `into`, or none.

        Raises
        ------
        SessionError
            If it is the last class, or the author is blinded and others have given it: their words are not to be seen,
            and not to be changed either.
        """
        palette, position = self._palette, self._palette.position(name)
        target = None if into is None else palette.position(into)
        if target == position:
            raise ValueError("a class cannot be merged into itself")
        name = self.scheme.names[position]
        if self.blinded and set(self.use_of(name).said) - {self.author}:
            raise SessionError(
                f"{name} stays: other readers have given it to nuclei, and that would change while you work blinded. "
                "Stop working blinded first, or leave it to them."
            )
        code = palette.codes[position]
        patch = unclassed(
            self._columns, len(self.readers), code, UNLABELLED if target is None else palette.codes[target]
        )
        did = f"deleting {name}" if target is None else f"merging {name} into {self.scheme.names[target]}"
        return self._reclass(palette.without(position, target), did, patch)

    def choose_scheme(self, scheme: ClassScheme) -> Change:
        """Take over another scheme. Classes that are the same (by `join`) keep their nuclei under its names.

        Of the classes that it lacks those stay, after its own, that any nucleus has, by a person's word or a model's.
        """
        return self._reclass(self._palette.under(scheme, self.used_classes()), f"scheme {scheme.name}")

    def used_classes(self) -> list[int]:
        """Return the labels of classes that any nucleus has, also one that was deleted, by anybody's word."""
        columns = self._columns
        said = [f"said{k}" for k in range(1, len(self.readers) + 1) if columns.has(f"said{k}")]
        found = {int(code) for name in ("label", "model", *said) for code in np.unique(columns[name])}
        return [label for label, code in enumerate(self._palette.codes) if code in found]

    @property
    def _palette(self) -> Palette:
        return self.ledger.state.palette

    def _reclass(self, palette: Palette, did: str, patch: Patch | None = None) -> Change:
        if palette == self._palette and patch is None:
            # nothing to write, and nothing to undo later
            return self.record(EditKind.CLASSES, Patch())
        return self.record(EditKind.CLASSES, patch or Patch(), details={"did": did}, palette=palette)
