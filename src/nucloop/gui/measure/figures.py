"""The figures of one comparison, as they come out of the background."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from nucloop.evaluation.live import LiveComparison, by_rule
from nucloop.metrics.scoring import FieldScore
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nucloop.evaluation.live import LiveConfig

__all__ = ["Figures", "count"]


@dataclass(frozen=True)
class Figures:
    """A comparison, and what it was at an earlier moment.

    Parameters
    ----------
    truth : Nuclei
        The reference of `live`.
    live : LiveComparison
    then : FieldScore or None
        None while it is not counted, or not wanted.
    """

    truth: Nuclei
    live: LiveComparison
    then: FieldScore | None = None


def count(
    found: Nuclei, truth: Nuclei, mpp: float, config: LiveConfig, look_back: Callable[[], Nuclei] | None
) -> Iterator[Figures]:
    """Compare now, and then if wanted. Runs in a job's thread."""
    figures = Figures(truth, by_rule(found, truth, mpp, config))
    yield figures
    if look_back is not None:
        earlier = by_rule(look_back(), truth, mpp, replace(config, classes=figures.live.classes))
        yield replace(figures, then=earlier.score)
