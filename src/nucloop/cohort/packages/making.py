"""Making packages: for each reader a folder with pictures, their nuclei as sessions, and what to do."""

from __future__ import annotations

import os
import shutil
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile

from nucloop.cohort.packages.fields import regions_of
from nucloop.cohort.packages.masters import begin_master, open_master
from nucloop.cohort.packages.package import ABOUT, Item, Kept, Package, PlainRegion, write_plain
from nucloop.cohort.places import is_address, local_copy
from nucloop.cohort.states import State, states_of
from nucloop.errors import DataError
from nucloop.formats.atomic import replacing, replacing_path
from nucloop.geometry import in_any
from nucloop.nuclei import UNLABELLED, Nuclei, Origin
from nucloop.session import Session, SlideIdentity, session_path
from nucloop.session.exchange import keep_regions
from nucloop.slides import Box, open_slide

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nucloop.cohort.project import Project
    from nucloop.cohort.states import SlideState
    from nucloop.geometry import Region
    from nucloop.slides import Slide

__all__ = ["PackagePlan", "make_packages"]

_AROUND_UM = 25.0
"""So much is cut out around a region, µm: tissue at its border is seen with what is beside it."""
_MOST_CUT = 30_000
"""A piece with longer sides is no picture to be sent."""


@dataclass(frozen=True, kw_only=True)
class PackagePlan:
    """What readers get."""

    readers: tuple[str, ...]
    slides: tuple[str, ...] = ()
    """Ids; all that are done unless said."""
    blinded: bool = False
    """Whether nuclei come without what the model says of their classes."""
    fields: int = 0
    """So many squares of each slide by lot; 0 for the cohort's regions, or whole slides."""
    field_um: float = 250.0
    reference: bool = False
    """Slides as links to their files, in place of pieces cut out; for readers who see the same disks."""


@dataclass(frozen=True)
class _Piece:
    """A picture, ready to be given to every reader."""

    item: Item
    file: Path | None
    """What was cut out; None where the slide is linked."""
    source: str
    identity: SlideIdentity
    nuclei: Nuclei
    """On the picture, numbered from 1; as the model left them."""


def make_packages(project: Project, plan: PackagePlan, out: Path) -> Iterator[Path]:
    """Make a folder for each reader; yield each when it is whole.

    Nothing that a person said travels: readers get what the model said or, blinded, places alone.

    Raises
    ------
    DataError
        If a slide is not there or not done, names are taken, or the disk is full.
    """
    if len({_folder_name(one) for one in plan.readers}) < len(plan.readers) or not all(plan.readers):
        raise DataError("Readers need names that differ in more than signs. Write --readers A,B.")
    scratch = out / f".cut-{uuid.uuid4().hex[:8]}"
    try:
        pieces = [piece for state in _chosen(project, plan) for piece in _pieces(project, state, plan, scratch)]
        for reader in plan.readers:
            target = out / _folder_name(reader)
            if target.exists():
                raise DataError(f"{target} is there already. Give another --out, or move it away.")
            yield _write(project, plan, reader, pieces, target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _folder_name(reader: str) -> str:
    return "".join(one if one.isalnum() or one in "-_" else "_" for one in " ".join(reader.split())) or "reader"


def _chosen(project: Project, plan: PackagePlan) -> list[SlideState]:
    states = {one.entry.id: one for one in states_of(project)}
    unknown = [one for one in plan.slides if one not in states]
    if unknown:
        raise DataError(f"There is no slide {unknown[0]} in {project.folder}. nucloop cohort status --all lists them.")
    chosen = [states[one] for one in plan.slides] or [one for one in states.values() if one.state is State.DONE]
    for one in chosen:
        if one.state is not State.DONE:
            raise DataError(f"{one.entry.id} is {one.state.value}. Run the cohort first: nucloop cohort run.")
    if not chosen:
        raise DataError("No slide of the cohort is done yet. Run it first: nucloop cohort run.")
    return chosen


def _pieces(project: Project, state: SlideState, plan: PackagePlan, scratch: Path) -> Iterator[_Piece]:
    entry, regions = state.entry, regions_of(state, plan.fields, plan.field_um)
    if plan.reference and is_address(entry.path):
        raise DataError(f"{entry.path} cannot be linked. Leave --reference out, and pieces are cut out of it.")
    with local_copy(entry.path) as file, open_slide(file, mpp=entry.mpp, image=entry.image or None) as slide:
        begin_master(project, state, slide)
        with open_master(project, entry) as session:
            nuclei = _as_the_model_left_them(session, blinded=plan.blinded)
        if plan.reference:
            mine = nuclei.take(in_any(nuclei.yx, regions))
            name = f"{entry.id}{file.suffix}"
            item = _item(entry.id, name, Box(0, 0, 0, 0), regions, mine)
            yield _Piece(item, None, entry.path, SlideIdentity.of(slide), _given(mine, item))
            return
        for number, region in enumerate(regions, 1):
            box = _around(slide, region)
            target = scratch / f"{entry.id}-{number}.tif"
            _cut(slide, box, target)
            mine = nuclei.take(region.contains(nuclei.yx))
            with open_slide(target) as cut:
                identity = SlideIdentity.of(cut)
            item = _item(entry.id, target.name, box, [region], mine)
            yield _Piece(item, target, "", identity, _given(mine, item))


def _given(nuclei: Nuclei, item: Item) -> Nuclei:
    """Return nuclei of a slide as they lie on a picture of it, numbered from 1."""
    yx = nuclei.yx - np.array([item.top, item.left], np.float32)
    return replace(nuclei, ids=np.arange(1, len(nuclei) + 1, dtype=np.int64), yx=yx)


def _as_the_model_left_them(session: Session, *, blinded: bool) -> Nuclei:
    nuclei = session.nuclei()
    label = np.full(len(nuclei), UNLABELLED, np.int16) if blinded else session.model_labels(nuclei.ids)
    unknown = np.full_like(nuclei.probability, np.nan)
    return replace(
        nuclei,
        label=label.astype(np.int16),
        probability=unknown if blinded else nuclei.probability,
        origin=np.full(len(nuclei), Origin.PREDICTED, np.uint8),
    )


def _item(slide: str, image: str, box: Box, regions: Sequence[Region], nuclei: Nuclei) -> Item:
    plain = [PlainRegion.of(region) for region in regions]
    return Item(slide=slide, image=image, top=box.y, left=box.x, regions=plain, ids=nuclei.ids.tolist())


def _around(slide: Slide, region: Region) -> Box:
    # a pixel reaches half a unit to each side of its place
    low, high = np.floor(region.bounds[0] + 0.5).astype(int), np.ceil(region.bounds[1] + 0.5).astype(int)
    box = Box(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    box = box.grow(round(_AROUND_UM / slide.require_mpp())).intersect(slide.box)
    if not box.area:
        raise DataError(f"{region.name or 'A region'} lies outside {slide.name}. Draw it on the slide.")
    if max(box.height, box.width) > _MOST_CUT:
        raise DataError(
            f"{region.name or 'A region'} of {slide.name} has {box.height:,} x {box.width:,} pixels, too many to be "
            "cut out. Give --fields 5 for squares by lot, or --reference where readers see the same disks."
        )
    return box


def _cut(slide: Slide, box: Box, target: Path) -> None:
    per_cm = 10_000 / slide.require_mpp()
    with replacing_path(target) as part, part.open("wb") as file:
        tifffile.imwrite(
            file,
            slide.read_region(box),
            photometric="rgb",
            tile=(256, 256),
            compression="jpeg",
            compressionargs={"level": 92},
            resolution=(per_cm, per_cm),
            resolutionunit="CENTIMETER",
            metadata=None,
        )


def _write(project: Project, plan: PackagePlan, reader: str, pieces: Sequence[_Piece], target: Path) -> Path:
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for piece in pieces:
            place = part / piece.item.image
            if piece.file is not None:
                shutil.copyfile(piece.file, place)
            else:
                os.symlink(piece.source, place)
            _begin_session(place, piece, reader)
        package = Package(
            id=uuid.uuid4().hex,
            cohort=project.folder.name,
            reader=reader,
            blinded=plan.blinded,
            made=datetime.now(UTC).isoformat(),
            items=[piece.item for piece in pieces],
        )
        with replacing(part / "README.txt") as file:
            file.write(_instruction(package, pieces).encode())
        write_plain(part / ABOUT, package)
        # remembered before it is given out: an answer to it always finds its way back
        write_plain(project.folder / "packages" / f"{package.id}.json", Kept(package=package))
        part.rename(target)
    except OSError as error:
        raise DataError(
            f"Cannot write {target}: {error.strerror or error}. Make room, or choose another --out."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return target


def _begin_session(image: Path, piece: _Piece, reader: str) -> None:
    with Session.open(session_path(image), slide=piece.identity, scheme=piece.nuclei.scheme, author=reader) as session:
        session.import_nuclei(piece.nuclei, source="the cohort")
        shift = -np.array([piece.item.top, piece.item.left], np.float64)
        keep_regions(session, [one.region().moved(shift) for one in piece.item.regions])


def _instruction(package: Package, pieces: Sequence[_Piece]) -> str:
    classes = ", ".join(pieces[0].nuclei.scheme.names)
    total = sum(len(item.ids) for item in package.items)
    blind = (
        "The nuclei have no class yet: give each one that you see.\n"
        if package.blinded
        else ("The nuclei have the classes that a model gave: confirm what is right, correct what is wrong.\n")
    )
    return (
        f"Nuclei for {package.reader}\n\n"
        f"{len(package.items)} pictures, {total:,} nuclei. Classes: {classes}.\n\n"
        "1. Install NucLoop: pip install 'napari-nucloop[app]'.\n"
        "2. Open a picture: nucloop app NAME.tif, or drop it on napari. Its nuclei come with it.\n"
        f"3. {blind}"
        "   In the Correct dock press a class's key over a nucleus; add nuclei that are missing, delete what is none.\n"
        "   Look at the drawn regions only.\n"
        "4. Everything is kept as you go. When you are done, or to show how far you are, send the whole folder back.\n"
    )
