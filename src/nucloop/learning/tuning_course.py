"""How tuning an encoder goes, epoch by epoch, and when it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nucloop.learning.tuning_files import TuneConfig

__all__ = ["Course", "Epoch"]


@dataclass(frozen=True)
class Epoch:
    """One pass over the corrections is done."""

    number: int
    """From 0: how things are before the first."""
    epochs: int
    loss: float
    """NaN before the first."""
    f1: float
    """Mean class F1 of corrections that do not teach, with the head as trained so far."""
    best: bool
    """Whether this is the best so far; that one is kept."""


class Course:
    """How the F1 of the corrections that say when to stop goes, from what it was before the first epoch."""

    def __init__(self, config: TuneConfig, f1: float) -> None:
        self._config = config
        self.best, self._kept, self._number, self._worse = f1, 0, 0, 0

    @property
    def over(self) -> bool:
        """Whether to stop now."""
        return self._worse >= self._config.worse or self._number - self._kept >= self._config.patience

    def take(self, number: int, f1: float) -> bool:
        """Take an epoch's F1; tell whether it is the best so far."""
        better, self._number = f1 > self.best, number
        self._worse = self._worse + 1 if f1 < self.best else 0
        if better:
            self.best, self._kept = f1, number
        return better

    def sentence(self) -> str:
        """Say when it stopped and why, and what is kept."""
        why = ""
        if self._number < self._config.epochs:
            got = "got worse" if self._worse >= self._config.worse else "got no better"
            why = f"Stopped after epoch {self._number} of {self._config.epochs}: answers that were held back {got}. "
        if not self._kept:
            return f"{why}No epoch was better than the encoder as it was, so it stays as it was."
        return f"{why}Epoch {self._kept}, the best one, is kept."
