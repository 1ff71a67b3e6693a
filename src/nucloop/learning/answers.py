"""How many nuclei people have spoken about, who did, and whether that is enough to learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nucloop.errors import DataError
from nucloop.learning.examples import is_taught
from nucloop.nuclei import Origin

if TYPE_CHECKING:
    from nucloop.classes import ClassScheme
    from nucloop.nuclei import Nuclei

__all__ = ["MISTAKES_ONLY", "Answers", "listed_names", "require_enough", "what_was_said"]

_FEW_RIGHT = 0.1
"""Nuclei said to be right for each that was corrected; fewer say nothing about what was right before."""
MISTAKES_ONLY = (
    "Learned from mistakes only: confirm some nuclei that are right (Ctrl+Shift+Y confirms all on screen), in several "
    "places. Among mistakes nothing was right before, so these figures promise more than the slide will gain."
)
FEWEST = 3
"""Answers below which a head would only repeat them."""


@dataclass(frozen=True)
class Answers:
    """How many nuclei people have spoken about, and who."""

    corrected: int
    added: int
    confirmed: int
    imported: int
    people: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """All that can be learned from."""
        return self.corrected + self.added + self.confirmed + self.imported

    @property
    def mistakes_only(self) -> bool:
        """Whether nearly all answers are corrections, so that what was right before is not among them."""
        return self.corrected >= FEWEST and self.confirmed + self.imported < _FEW_RIGHT * self.corrected

    def sentence(self) -> str:
        """Say it in words, such as "34 corrected and 12 confirmed by Ann"."""
        parts = [f"{n:,} {word}" for n, word in self._parts() if n]
        if not parts:
            return "nothing said yet"
        listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        return f"{listed} by {listed_names(self.people)}" if self.people else listed

    def _parts(self) -> list[tuple[int, str]]:
        return [
            (self.corrected, "corrected"),
            (self.added, "added"),
            (self.confirmed, "confirmed"),
            (self.imported, "imported"),
        ]


def listed_names(people: tuple[str, ...]) -> str:
    """Say several names, such as Ann, Bob and Eve."""
    return people[0] if len(people) == 1 else f"{', '.join(people[:-1])} and {people[-1]}"


def what_was_said(nuclei: Nuclei, people: tuple[str, ...] = (), *, imported: bool = False) -> Answers:
    """Count what can be learned from nuclei, as `nucloop.learning.examples.is_taught` takes it."""
    origin = nuclei.origin[is_taught(nuclei, imported=imported)]
    corrected, added, confirmed, from_file = (
        int((origin == o).sum()) for o in (Origin.CORRECTED, Origin.ADDED, Origin.CONFIRMED, Origin.IMPORTED)
    )
    return Answers(corrected, added, confirmed, from_file, people)


def require_enough(said: Answers, scheme: ClassScheme) -> None:
    """Refuse to learn from next to nothing.

    Raises
    ------
    DataError
        With what to do.
    """
    if not said.total:
        raise DataError(
            "There is nothing to learn from yet. Correct some classes in the Correct dock, or confirm some that are "
            f"right: a few of each of {', '.join(scheme.names)}."
        )
    if said.total < FEWEST:
        raise DataError(
            f"Only {said.total} {'nucleus has' if said.total == 1 else 'nuclei have'} an answer, too few to learn "
            "from. Give some more nuclei their class in the Correct dock, a few of each class if you can."
        )
