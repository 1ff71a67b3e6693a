"""Making a training set: plan the patches, divide them, then write image after image."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from nucloop import __version__
from nucloop.errors import DataError
from nucloop.export.cutting import CutConfig, Patch, patch_pixels, patches_of
from nucloop.export.datasheet import write_datasheet
from nucloop.export.folds import divide
from nucloop.export.groups import GROUPS, groups_of
from nucloop.export.layouts import LAYOUTS, Layout, check_resolution, scheme_of
from nucloop.export.manifest import FILE_NAME, Manifest, PatchRecord, SourceRecord
from nucloop.formats import SlideInfo, adopt
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from nucloop.export.sources import Source
    from nucloop.nuclei import Nuclei

__all__ = ["DatasetConfig", "ExportProgress", "export_dataset"]

RADIUS_UM = 3.0
MOST_PATCHES = 1_000_000
_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """What a training set is to be."""

    name: str
    cut: CutConfig = field(default_factory=CutConfig)
    layout: str = "nucloop"
    group_by: str = "patient"
    """patient, slide or region: what a fold boundary never divides."""
    folds: int | None = None
    """Up to five, as far as there are groups, unless said."""
    test_share: float = 0.0
    """Share of the nuclei set aside, by whole groups."""
    licence: str = ""
    authors: tuple[str, ...] = ()
    description: str = ""
    exhaustive: bool = True
    """Whether every nucleus of the areas is marked."""

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise DataError(f"There is no layout {self.layout!r}. Choose one of: {', '.join(LAYOUTS)}.")
        if self.group_by not in GROUPS:
            raise DataError(f"Nothing is grouped by {self.group_by!r}. Choose one of: {', '.join(GROUPS)}.")


@dataclass(frozen=True)
class ExportProgress:
    """After an image: how many are written, of how many; the manifest when all is done."""

    done: int
    total: int
    manifest: Manifest | None = None


def export_dataset(
    sources: Sequence[Source],
    folder: Path,
    config: DatasetConfig,
    mapping: Mapping[str, str | None] | None = None,
) -> Iterator[ExportProgress]:
    """Write a training set; the folder is whole or not there.

    Parameters
    ----------
    sources : sequence of Source
        Annotated slides, their nuclei in one class scheme.
    folder : Path
        Where to; it must not exist, or be empty.
    config : DatasetConfig
        What it is to be.
    mapping : dict, optional
        From the nuclei's classes to those of a layout that has its own.

    Yields
    ------
    ExportProgress
        After each image.

    Raises
    ------
    DataError
        If the folder is not empty, there is nothing to cut, or the groups cannot be divided as asked.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty. Give a new folder, so that no old file is taken for a new one.")
    layout = LAYOUTS[config.layout]()
    check_resolution(layout, config.cut.mpp)
    sources, notes = _with_classes(sources, layout, mapping or {})
    plan = [(number, patch) for number, source in enumerate(sources) for patch in patches_of(source, config.cut)]
    if not plan or len(plan) > MOST_PATCHES:
        raise DataError(f"{len(plan):,} patches would be cut. Check the regions, the size and the stride.")
    groups = groups_of(sources, config.group_by, config.cut)
    folds = _folds(plan, groups, sources, config)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    except OSError as error:
        raise DataError(f"Cannot write {folder}: {error.strerror}. Choose another place.") from error
    try:
        yield from _write(part, layout, sources, plan, groups, folds, config, notes)
        part.chmod(0o755)
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except OSError as error:
        raise DataError(
            f"Cannot write {folder}: {error.strerror or error}. Make room, or choose another place."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _with_classes(
    sources: Sequence[Source], layout: Layout, mapping: Mapping[str, str | None]
) -> tuple[list[Source], list[str]]:
    """Give all nuclei the classes of the layout; say which nuclei have no place in it."""
    if not sources:
        raise DataError("There are no slides to make a training set of.")
    scheme = scheme_of(layout, sources[0].nuclei.scheme)
    known = [
        replace(one, nuclei=adopt(one.nuclei, scheme, mapping, source=one.annotation or one.slide.name))
        for one in sources
    ]
    without = sum(int((one.nuclei.label == UNLABELLED).sum()) for one in known)
    if layout.unlabelled or not without:
        return known, []
    known = [replace(one, nuclei=one.nuclei.take(one.nuclei.label != UNLABELLED)) for one in known]
    return known, [f"{without:,} nuclei without a class have no place in this layout and are not marked."]


def _folds(
    plan: list[tuple[int, Patch]], groups: list[list[str]], sources: Sequence[Source], config: DatasetConfig
) -> dict[str, int]:
    classes = len(sources[0].nuclei.scheme)
    counts: dict[str, NDArray[np.int64]] = {}
    for number, patch in plan:
        group = groups[number][patch.region]
        label = patch.nuclei.label[patch.nuclei.label >= 0]
        counts[group] = counts.get(group, np.zeros(classes, np.int64)) + np.bincount(label, minlength=classes)
    return divide(counts, config.folds, config.test_share)


def _write(
    folder: Path,
    layout: Layout,
    sources: Sequence[Source],
    plan: list[tuple[int, Patch]],
    groups: list[list[str]],
    folds: dict[str, int],
    config: DatasetConfig,
    notes: list[str],
) -> Iterator[ExportProgress]:
    records: list[PatchRecord] = []
    shown: list[tuple[NDArray[np.uint8], Nuclei]] = []
    every = max(1, len(plan) // _SHOWN)
    for done, (number, patch) in enumerate(plan, 1):
        group = groups[number][patch.region]
        pixels = patch_pixels(sources[number], patch, config.cut)
        records.append(
            _write_patch(folder, layout, number, sources[number], patch, pixels, group, folds[group], config)
        )
        if (done - 1) % every == 0 and len(shown) < _SHOWN:
            shown.append((pixels, patch.nuclei))
        yield ExportProgress(done, len(plan))
    manifest = _manifest(sources, records, config, [*notes, *_remarks(sources, plan, records)])
    layout.finish(folder, manifest)
    write_datasheet(folder, manifest, shown)
    (folder / FILE_NAME).write_bytes(manifest.to_json())
    yield ExportProgress(len(plan), len(plan), manifest)


def _write_patch(
    folder: Path,
    layout: Layout,
    number: int,
    source: Source,
    patch: Patch,
    pixels: NDArray[np.uint8],
    group: str,
    fold: int,
    config: DatasetConfig,
) -> PatchRecord:
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", Path(source.slide.name).stem)[:60].strip("_") or "slide"
    name = f"{plain}_s{number:03d}_r{patch.region:03d}_y{patch.top}_x{patch.left}"
    image, labels = layout.image(name, fold), layout.labels(name, fold)
    for path in (image, labels):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / image)
    layout.write_labels(
        folder / labels,
        patch.nuclei,
        SlideInfo(name=f"{name}.png", height=patch.height, width=patch.width, mpp=config.cut.mpp),
    )
    counts = {key: count for key, count in patch.nuclei.counts().items() if count}
    without = int((patch.nuclei.label == UNLABELLED).sum())
    return PatchRecord(
        image=image,
        labels=labels,
        image_sha256=_sha256(folder / image),
        labels_sha256=_sha256(folder / labels),
        fold=fold,
        group=group,
        source=number,
        region=patch.region,
        top=patch.top,
        left=patch.left,
        height=patch.height,
        width=patch.width,
        counts=counts | ({"": without} if without else {}),
    )


def _remarks(sources: Sequence[Source], plan: list[tuple[int, Patch]], records: list[PatchRecord]) -> list[str]:
    """Say what a reader of the set should know: nuclei in no image, and images that two folds share."""
    remarks = []
    missing = 0
    for number, source in enumerate(sources):
        parts = [patch.nuclei.yx + np.array([patch.top, patch.left]) for n, patch in plan if n == number]
        places = np.concatenate(parts) if parts else np.zeros((0, 2))
        missing += len(source.nuclei) - len(np.unique(np.round(places, 2), axis=0))
    if missing > 0:
        remarks.append(f"{missing:,} nuclei lie outside the annotated areas or at their rims, and are in no image.")
    folds: dict[str, set[int]] = {}
    for record in records:
        if record.counts:
            folds.setdefault(record.image_sha256, set()).add(record.fold)
    shared = sum(len(one) > 1 for one in folds.values())
    if shared:
        remarks.append(f"{shared:,} images with nuclei are the same in two folds: a slide was given under two names.")
    return remarks


def _manifest(
    sources: Sequence[Source], records: list[PatchRecord], config: DatasetConfig, remarks: list[str]
) -> Manifest:
    about = [SlideInfo.of(source.slide) for source in sources]
    return Manifest(
        name=config.name,
        scheme=sources[0].nuclei.scheme,
        mpp=config.cut.mpp,
        size=config.cut.size,
        stride=config.cut.stride,
        blank=config.cut.blank,
        folds=max(record.fold for record in records) + 1,
        group_by=config.group_by,
        layout=config.layout,
        licence=config.licence,
        authors=config.authors,
        description=config.description,
        program=f"NucLoop {__version__}",
        created=datetime.now(UTC).date().isoformat(),
        protocol={"rule": "Boolean one-to-one matching", "radius_um": RADIUS_UM},
        sources=tuple(
            SourceRecord(
                slide=slide.name,
                slide_sha256=slide.sha256,
                mpp=source.slide.require_mpp(),
                height=slide.height,
                width=slide.width,
                patient=source.patient,
                annotation=source.annotation,
                annotation_sha256=source.annotation_sha256,
                regions=len(source.regions),
                nuclei=len(source.nuclei),
            )
            for source, slide in zip(sources, about, strict=True)
        ),
        patches=tuple(records),
        left_out=tuple(remarks),
        exhaustive=config.exhaustive,
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
