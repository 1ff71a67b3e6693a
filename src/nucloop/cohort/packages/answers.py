"""What came back: how far each reader is, how far they agree by slide and region, and what is to be decided."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.cohort.packages.masters import master_path
from nucloop.cohort.packages.package import kept_packages
from nucloop.formats.atomic import replacing
from nucloop.metrics.agreement import cohens_kappa
from nucloop.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from nucloop.cohort.packages.package import Kept
    from nucloop.cohort.project import Project
    from nucloop.geometry import Region

__all__ = ["Answers", "answers_of", "write_answers"]

_SILENT, _NONE = -2, -1
"""Nothing said; said that there is no nucleus."""


class Answers:
    """Tables of what came back.

    Attributes
    ----------
    progress : DataFrame
        A row for each package: reader, when it came back, nuclei given, answered, added, removed.
    agreement : DataFrame
        A row for each slide and for each of its regions: readers, nuclei that two or more judged, the part on which all
        agree, and Cohen's kappa, the mean of all pairs of readers. That a nucleus is none counts as a class.
    adjudication : DataFrame
        A row for each nucleus on which readers differ, the most open first, with who said what.
    """

    def __init__(self, progress: pd.DataFrame, agreement: pd.DataFrame, adjudication: pd.DataFrame) -> None:
        self.progress, self.agreement, self.adjudication = progress, agreement, adjudication


def answers_of(project: Project) -> Answers:
    """Return the tables of a cohort's packages.

    Raises
    ------
    DataError, SessionError
        If what the cohort remembers cannot be read.
    """
    import pandas as pd

    packages = kept_packages(project.folder / "packages")
    slides = list(dict.fromkeys(item.slide for one in packages for item in one.package.items))
    agreement: list[dict[str, Any]] = []
    open_questions: list[dict[str, Any]] = []
    for entry in project.slides:
        if entry.id in slides:
            with Session.open(master_path(project, entry), read_only=True) as master:
                judged = _Judged(entry.id, master, packages)
            agreement += judged.agreement()
            open_questions += judged.open_questions()
    open_questions.sort(key=lambda row: (row["majority"], row["slide"], row["id"]))
    return Answers(
        pd.DataFrame([_progress(one) for one in packages]), pd.DataFrame(agreement), pd.DataFrame(open_questions)
    )


def write_answers(project: Project, answers: Answers) -> list[Path]:
    """Write the tables into the folder packages as CSV; return which."""
    written = []
    for name in ("progress", "agreement", "adjudication"):
        path = project.folder / "packages" / f"{name}.csv"
        with replacing(path) as file:
            file.write(getattr(answers, name).to_csv(index=False).encode())
        written.append(path)
    return written


def _progress(kept: Kept) -> dict[str, Any]:
    given = sum(len(item.ids) for item in kept.package.items)
    removed = sum(map(len, kept.removed.values()))
    answered = sum(map(len, kept.spoken.values())) + removed
    return {
        "reader": kept.package.reader,
        "package": kept.package.id,
        "blinded": kept.package.blinded,
        "back": kept.merged,
        "pictures": len(kept.package.items),
        "given": given,
        "answered": answered,
        "part": round(answered / given, 4) if given else 0.0,
        "added": sum(map(len, kept.added.values())),
        "removed": removed,
    }


class _Judged:
    """What readers said of the nuclei of one slide: (R, N), a class, that there is no nucleus, or nothing."""

    def __init__(self, slide: str, master: Session, packages: list[Kept]) -> None:
        mine = [(one, k) for one in packages for k, item in enumerate(one.package.items) if item.slide == slide]
        self.slide, self.names = slide, master.scheme.names
        self.readers = list(dict.fromkeys(one.package.reader for one, _ in mine))
        given = {i for one, k in mine for i in [*one.package.items[k].ids, *one.added.get(k, {}).values()]}
        ids = np.array(sorted(given), np.int64)
        self.ids = ids[master.contains(ids)] if len(ids) else ids
        self.yx = master.positions(self.ids)
        self.said = np.full((len(self.readers), len(self.ids)), _SILENT, np.int64)
        for row, reader in enumerate(self.readers):
            spoken = np.isin(self.ids, master.spoken_by(reader))
            labels = master.labels_of(reader, self.ids[spoken]).astype(np.int64)
            self.said[row, spoken] = np.where(labels >= 0, labels, _SILENT)
        for one, k in mine:
            away = np.isin(self.ids, one.removed.get(k, []))
            self.said[self.readers.index(one.package.reader), away] = _NONE
        self.regions: dict[str, Region] = {}
        for one, k in mine:
            for plain in one.package.items[k].regions:
                self.regions.setdefault(plain.name, plain.region())

    def agreement(self) -> list[dict[str, Any]]:
        whole = self._agreement("", np.ones(len(self.ids), bool))
        return [whole, *(self._agreement(name, region.contains(self.yx)) for name, region in self.regions.items())]

    def _agreement(self, name: str, inside: NDArray[np.bool_]) -> dict[str, Any]:
        said = self.said[:, inside]
        judged = (said != _SILENT).sum(0) >= 2
        kappas = [k for a, b in combinations(said[:, judged], 2) if (k := self._kappa(a, b)) is not None]
        alike = [len(set(column[column != _SILENT].tolist())) == 1 for column in said[:, judged].T]
        return {
            "slide": self.slide,
            "region": name,
            "readers": int((said != _SILENT).any(1).sum()),
            "nuclei": int(judged.sum()),
            "all_agree": round(float(np.mean(alike)), 4) if alike else None,
            "kappa": round(float(np.mean(kappas)), 4) if kappas else None,
        }

    def _kappa(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> float | None:
        both = (a != _SILENT) & (b != _SILENT)
        if not both.any():
            return None
        size = len(self.names) + 1
        table = np.bincount((a[both] + 1) * size + b[both] + 1, minlength=size * size).reshape(size, size)
        kappa = float(cohens_kappa(table.astype(np.float64)))
        return kappa if np.isfinite(kappa) else None

    def open_questions(self) -> list[dict[str, Any]]:
        found = []
        words = [*self.names, "no nucleus"]
        for k, column in enumerate(self.said.T):
            spoken = np.flatnonzero(column != _SILENT)
            values, counts = np.unique(column[spoken], return_counts=True)
            if len(values) < 2:
                continue
            votes = [
                f"{words[value]}: {', '.join(self.readers[r] for r in spoken if column[r] == value)}"
                for value in values[np.argsort(-counts, kind="stable")].tolist()
            ]
            region = next((name for name, one in self.regions.items() if one.contains(self.yx[k : k + 1])[0]), "")
            found.append(
                {
                    "slide": self.slide,
                    "region": region,
                    "id": int(self.ids[k]),
                    "y": float(self.yx[k, 0]),
                    "x": float(self.yx[k, 1]),
                    "majority": round(float(counts.max() / counts.sum()), 4),
                    "said": "; ".join(votes),
                }
            )
        return found
