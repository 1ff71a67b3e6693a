"""Score any two annotation files of one slide, or two folders of them, whoever made them."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nucloop.classes import NucleusClass
from nucloop.errors import DataError
from nucloop.formats import FORMATS, read_document
from nucloop.geometry import Region, first_of, in_any
from nucloop.metrics.marks import Marks
from nucloop.metrics.naming import counted_classes, merged, others
from nucloop.metrics.report import details_of
from nucloop.metrics.scoring import FieldScore, pooled, rule_title, score_units

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from nucloop.formats import Document
    from nucloop.nuclei import Nuclei

__all__ = ["Comparison", "ComparisonConfig", "FilePair", "compare", "pair_files"]

SAME_RESOLUTION = 0.01
"""Part by which the µm per pixel of two files of one slide may differ."""


@dataclass(frozen=True)
class FilePair:
    """Two files that speak of one slide."""

    name: str
    predicted: Path
    reference: Path


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """How files are compared."""

    mpp: float | None = None
    """µm per pixel; by default what the files say."""
    radius_um: float = 3.0
    """Largest accepted distance, µm."""
    rule: str = "boolean"
    """A key of `nucloop.metrics.rules.RULES`."""
    classes: tuple[str, ...] = ()
    """Classes that are counted; by default those of the reference."""
    regions: tuple[Region, ...] = ()
    """In level-0 pixels: only what lies inside one counts. Empty means everywhere."""
    ignored: tuple[Region, ...] = ()
    """In level-0 pixels: what lies inside one does not count, nor what lies in an ignored one of either file."""


@dataclass
class Comparison:
    """Scores of the files read so far, by name; of each region where regions were given."""

    config: ComparisonConfig
    classes: tuple[NucleusClass, ...] = ()
    fields: dict[str, FieldScore] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    ignored: int = 0
    """Areas in which nothing counted, of all pairs."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the counted classes are called."""
        return tuple(one.name for one in self.classes)

    @property
    def total(self) -> FieldScore:
        """The counts of all files."""
        return pooled(list(self.fields.values()), self.names)

    def report(self) -> dict[str, Any]:
        """Plain types, with the keys of ``nucloop evaluate --json`` and more."""
        return {
            "dataset": Path(self.files[0]["reference"]).name if len(self.files) == 1 else "files",
            "n_images": len(self.files),
            "rule": rule_title(self.config.rule),
            "radius_um": self.config.radius_um,
            **self.total.to_dict(),
            "versions": {name: version(name) for name in ("napari-nucloop", "numpy", "scipy")},
            "platform": platform.platform(),
            "images": {name: score.detection.to_dict() for name, score in self.fields.items()},
            **details_of(self.fields, self.names, self.config.rule),
            "regions": len(self.config.regions),
            "ignored_regions": self.ignored,
            "files": self.files,
            "remarks": self.remarks,
        }


def pair_files(predicted: Path, reference: Path, also: tuple[str, ...] = ()) -> list[FilePair]:
    """Pair two files, or the files of two folders whose names are equal up to the first dot.

    Parameters
    ----------
    predicted, reference : Path
        Both files or both folders.
    also : tuple of str
        Endings of files in folders that are meant too, beside those of the formats.

    Raises
    ------
    DataError
        If something is missing, or a reference has no predictions.
    """
    for path in (predicted, reference):
        if not path.exists():
            raise DataError(f"There is no file or folder {path}. Check the path.")
    if predicted.is_dir() != reference.is_dir():
        raise DataError(f"{predicted.name} and {reference.name} must both be files or both be folders.")
    if not predicted.is_dir():
        return [FilePair(_stem(reference), predicted, reference)]
    mine, theirs = _files_of(predicted, also), _files_of(reference, also)
    if not theirs:
        raise DataError(f"{reference} holds no file of nuclei. Check the path.")
    missing = sorted(theirs.keys() - mine.keys())
    if missing:
        raise DataError(
            f"{predicted} has no predictions for {', '.join(missing[:5])}{' and others' if len(missing) > 5 else ''}. "
            "An image without nuclei needs a file without rows, or it would not count."
        )
    return [FilePair(name, mine[name], theirs[name]) for name in sorted(theirs)]


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _files_of(folder: Path, also: tuple[str, ...]) -> dict[str, Path]:
    endings = (*(suffix for one in FORMATS.values() for suffix in one.suffixes), *also)
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.lower().endswith(endings):
            if _stem(path) in found:
                raise DataError(f"{folder} holds two files for {_stem(path)}. Leave one of them there.")
            found[_stem(path)] = path
    return found


def compare(
    pairs: Sequence[FilePair],
    config: ComparisonConfig | None = None,
    read: Callable[[Path], Document] = read_document,
) -> Iterator[Comparison]:
    """Score files; yield the comparison after each pair. `read` reads one of them.

    Raises
    ------
    DataError
        If a file cannot be read, no resolution is known, or two files state different ones.
    """
    config = config or ComparisonConfig()
    result = Comparison(config, counted_classes((read(pair.reference).nuclei for pair in pairs), config.classes))
    for pair in pairs:
        found, truth = read(pair.predicted), read(pair.reference)
        mpp = _resolution(pair, found, truth, config.mpp)
        ignored = [one for document in (found, truth) for one in document.regions if one.ignored]
        _add(result, pair, found.nuclei, truth.nuclei, mpp, [*config.ignored, *ignored])
        result.files.append(
            {
                "name": pair.name,
                "mpp": mpp,
                "predicted": pair.predicted.name,
                "predicted_sha256": _sha256(pair.predicted),
                "reference": pair.reference.name,
                "reference_sha256": _sha256(pair.reference),
            }
        )
        yield result


def _add(
    result: Comparison, pair: FilePair, found: Nuclei, truth: Nuclei, mpp: float, ignored: Sequence[Region]
) -> None:
    config = result.config
    regions = config.regions
    sides, left_out = [], []
    for nuclei, path in ((found, pair.predicted), (truth, pair.reference)):
        unit = _unit_of(nuclei.yx, regions, ignored)
        left_out.append(int(in_any(nuclei.yx, ignored).sum()))
        marks = Marks.of(nuclei, mpp, result.classes)
        if unnamed := others(nuclei, result.classes):
            result.remarks.append(f"{path.name}: {', '.join(unnamed)} counted as detections, not as a class")
        for same in merged(nuclei, result.classes):
            result.remarks.append(f"{path.name}: {' and '.join(same)} counted as one class")
        sides.append((marks.take(unit >= 0), unit[unit >= 0]))
    if ignored:
        what = "1 ignored area is" if len(ignored) == 1 else f"{len(ignored):,} ignored areas are"
        result.ignored += len(ignored)
        result.remarks.append(
            f"{pair.name}: {what} left out, with {left_out[0]:,} found nuclei and {left_out[1]:,} of the reference"
        )
    (mine, mine_unit), (theirs, theirs_unit) = sides
    count = max(len(regions), 1)
    scores = score_units(
        mine, theirs, result.names, config.radius_um, config.rule, mine_unit, theirs_unit, count
    )  # fmt: skip
    names = [pair.name] if not regions else [f"{pair.name}, region {k}" for k in range(1, count + 1)]
    result.fields |= dict(zip(names, scores, strict=True))


def _unit_of(yx: NDArray[np.float32], regions: Sequence[Region], ignored: Sequence[Region]) -> NDArray[np.intp]:
    """First region that holds each nucleus, (N,); -1 for one that does not count."""
    unit = first_of(yx, regions) if regions else np.zeros(len(yx), np.intp)
    unit[in_any(yx, ignored)] = -1
    return unit


def _resolution(pair: FilePair, found: Document, truth: Document, given: float | None) -> float:
    if given is not None:
        return given
    stated = [d.slide.mpp for d in (truth, found) if d.slide is not None and d.slide.mpp]
    if not stated:
        raise DataError(
            f"Neither {pair.predicted.name} nor {pair.reference.name} says how many µm a pixel is. "
            "Give it, for example --mpp 0.25 for a slide at 40x."
        )
    if max(stated) > min(stated) * (1 + SAME_RESOLUTION):
        raise DataError(
            f"{pair.predicted.name} and {pair.reference.name} state different resolutions "
            f"({stated[1]:g} and {stated[0]:g} µm per pixel), so they do not speak of one slide. "
            "If they do, give --mpp."
        )
    return float(stated[0])


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
