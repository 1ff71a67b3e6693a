"""Results into sessions: what a run has found is added to what is there, once, and nothing that people said changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from nucloop.cohort.result import key_of_folder, read_figures
from nucloop.detection.overlap import SAME_NUCLEUS_UM
from nucloop.formats import read_document
from nucloop.formats.slide_info import Weights
from nucloop.nuclei import Nuclei
from nucloop.session import Session, SlideIdentity
from nucloop.session.glance import glance_at

if TYPE_CHECKING:
    from pathlib import Path

    from nucloop.slides import Slide

__all__ = ["AUTHOR", "NUCLEI", "Brought", "add_missing_result", "read_missing_result", "read_result"]

AUTHOR = "nucloop cohort"
"""Who adds what runs have found."""
NUCLEI = "nuclei.parquet"
"""The file of a result that holds its nuclei."""


@dataclass(frozen=True)
class Brought:
    """The nuclei of one result, to be added to a session."""

    nuclei: Nuclei
    weights: Weights
    mpp: float
    """Level-0 µm per pixel."""
    key: str
    """Of the result; the session keeps it, so that nothing is brought twice."""

    def add_to(self, session: Session) -> int:
        """Add those that nobody knew, and return how many; models never bring back what a person took away.

        Raises
        ------
        SessionError
            If the session lacks one of the classes, or cannot be written.
        """
        run = session.begin_run(self.weights, SAME_NUCLEUS_UM / self.mpp, result=self.key)
        run.add(replace(self.nuclei, ids=np.zeros_like(self.nuclei.ids)))
        return run.new


def read_result(folder: Path) -> Brought:
    """Read what a run has found.

    Raises
    ------
    DataError
        If the result is damaged.
    """
    figures = read_figures(folder)
    return Brought(read_document(folder / NUCLEI).nuclei, figures["weights"], figures["mpp"], key_of_folder(folder))


def read_missing_result(session: Path | None, folder: Path) -> Brought | None:
    """Read a result; None where the session at that place, open or not, has it already.

    Raises
    ------
    DataError
        If the result is damaged.
    """
    glance = None if session is None else glance_at(session)
    return None if glance is not None and key_of_folder(folder) in glance.results else read_result(folder)


def add_missing_result(path: Path, folder: Path, slide: Slide) -> int:
    """Add a result to a session that does not have it yet; return how many nuclei are new.

    Raises
    ------
    DataError, SessionError
        If the result is damaged, or the session open elsewhere, damaged or without one of the classes.
    """
    brought = read_missing_result(path, folder)
    if brought is None or not len(brought.nuclei):
        return 0
    identity = SlideIdentity.of(slide)
    with Session.open(path, slide=identity, scheme=brought.nuclei.scheme, author=AUTHOR) as session:
        return brought.add_to(session)
