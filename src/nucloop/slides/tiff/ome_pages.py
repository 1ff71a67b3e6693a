"""Where the planes of an OME-TIFF's images are: in this file, or in others beside it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import tifffile

from nucloop.errors import SlideError
from nucloop.slides.channels import refuse_multichannel
from nucloop.slides.headers.markup import MarkupError
from nucloop.slides.headers.ome import Ome, OmeImage, read_ome
from nucloop.slides.pixels import refuse_stack
from nucloop.slides.tiff.level import LevelPages

if TYPE_CHECKING:
    from nucloop.slides.headers.ome import PlaneBlock

__all__ = ["OmeFile", "ome_of"]

_MAX_PLANES = 4
_MAX_LEVELS = 64
_MAX_DESCRIPTION = 64_000_000


@dataclass(frozen=True)
class OmeFile:
    """An OME-TIFF: its images, and the pages they are in."""

    file: tifffile.TiffFile
    path: Path
    images: tuple[OmeImage, ...]
    files: ExitStack
    """Closes the other files of the set."""

    def has_pyramid(self, image: OmeImage) -> bool:
        """Tell whether the first plane of an image in this file has coarser levels."""
        places = _places(image)
        name, page = places.get(0, (None, 0))
        if not self._is_this(name, {file for file, _ in places.values()}):
            return False
        try:
            return bool(_page(self.file, page).subifds)
        except IndexError:
            return False

    def levels(self, image: OmeImage) -> list[LevelPages]:
        """Return the pages of an image, fine to coarse.

        Raises
        ------
        SlideError
            If it is a stack, or a part of it is missing.
        """
        for letter, size in (("z", image.depth), ("t", image.times)):
            if size > 1:
                raise refuse_stack(letter, size, self.path.name)
        if image.planes > _MAX_PLANES:
            raise refuse_multichannel(image.planes, image.labels, self.path.name)
        pyramid = _pyramid(self._planes(image))
        return [LevelPages(tuple((page, page) for page in level)) for level in pyramid]

    def _planes(self, image: OmeImage) -> list[tifffile.TiffPage]:
        places = _places(image)
        files = self._files_of({name for name, _ in places.values()})
        pages: list[tifffile.TiffPage] = []
        try:
            for plane in range(image.planes):
                name, number = places[plane]
                pages.append(_page(files[name], number))
                if plane == 0 and pages[0].samplesperpixel > 1:
                    break  # a page of RGB that is described as three channels
        except (KeyError, IndexError) as error:
            raise SlideError(
                f"{self.path.name} says that its image has {image.planes} planes, and not all of them are there. "
                "Copy or export it again."
            ) from error
        return pages

    def _files_of(self, names: set[str | None]) -> dict[str | None, tifffile.TiffFile]:
        files: dict[str | None, tifffile.TiffFile] = {}
        missing = []
        for name in sorted(names, key=str):
            if self._is_this(name, names):
                files[name] = self.file
            elif name is not None and (beside := _beside(self.path, name)).is_file():
                files[name] = self._opened(beside)
            else:
                missing.append(str(name))
        if missing:
            raise SlideError(
                f"{self.path.name} is one of {len(names)} files of an image, and {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} not in its folder. Put all files of the image into one folder."
            )
        return files

    def _is_this(self, name: str | None, all_names: set[str | None]) -> bool:
        """Tell whether a name is that of this file, which may have been renamed since it was written."""
        if name is None or name.lower() == self.path.name.lower():
            return True
        return len(all_names) == 1 and not _beside(self.path, name).is_file()

    def _opened(self, path: Path) -> tifffile.TiffFile:
        try:
            return self.files.enter_context(tifffile.TiffFile(path, is_ome=False))
        except (tifffile.TiffFileError, OSError, ValueError) as error:
            raise SlideError(
                f"{path.name}, a part of {self.path.name}, is no complete TIFF file. Copy or export it again."
            ) from error


def _beside(path: Path, name: str) -> Path:
    """Return where a file of the same set is: in the same folder, whatever folder it was in when it was named."""
    return path.parent / Path(name.replace("\\", "/")).name


def ome_of(file: tifffile.TiffFile, path: Path, files: ExitStack) -> OmeFile | None:
    """Return what a file's OME-XML says; None when it has none, or none that can be read.

    Raises
    ------
    SlideError
        If the file is described in another one that is not there.
    """
    first = file.pages.first
    if not first.is_ome:
        return None
    try:
        ome = read_ome(first.description)
        if ome.described_in is not None:
            ome = _described_elsewhere(path, ome.described_in)
    except MarkupError:
        return None
    return OmeFile(file, path, ome.images, files) if ome.images else None


def _described_elsewhere(path: Path, name: str) -> Ome:
    beside = _beside(path, name)
    try:
        if name and beside != path and beside.stat().st_size <= _MAX_DESCRIPTION:
            return _in_another(read_ome(_description(beside)), beside.name)
    except OSError:
        pass
    raise SlideError(
        f"{path.name} is a part of an image that {name or 'another file'} describes, which is not in its folder or "
        "cannot be read. Put all files of the image into one folder."
    )


def _in_another(ome: Ome, name: str) -> Ome:
    """Name the file that a description is in, where it speaks of itself."""
    images = []
    for image in ome.images:
        blocks = [replace(block, file=block.file or name) for block in image.blocks]
        images.append(replace(image, blocks=tuple(blocks)))
    return replace(ome, images=tuple(images))


def _description(path: Path) -> str | bytes:
    if path.suffix.lower() in (".tif", ".tiff", ".btf"):
        with tifffile.TiffFile(path, is_ome=False) as other:
            return other.pages.first.description
    return path.read_bytes()


def _places(image: OmeImage) -> dict[int, tuple[str | None, int]]:
    """File and page of each plane of a flat image, by the plane's number."""
    places: dict[int, tuple[str | None, int]] = {}
    most = min(image.planes, _MAX_PLANES)
    for block in image.blocks:
        for step in range(_count(block, most)):
            if block.channel + step < most:
                places[block.channel + step] = (block.file, block.page + step)
        if len(places) == most and block.channel + 1 >= most:
            break
    return places or {plane: (None, plane) for plane in range(most)}


def _count(block: PlaneBlock, most: int) -> int:
    return min(most if block.count is None else block.count, most)


def _page(file: tifffile.TiffFile, number: int) -> tifffile.TiffPage:
    return cast("tifffile.TiffPage", file.pages.get(number, aspage=True, cache=True))


def _pyramid(planes: list[tifffile.TiffPage]) -> list[list[tifffile.TiffPage]]:
    """Return the planes, and behind them those of each coarser level that all planes have."""
    levels = [planes]
    counts = [len(plane.subifds or ()) for plane in planes]
    for number in range(min(*counts, _MAX_LEVELS)):
        coarser = []
        for plane in planes:
            offset = (plane.subifds or ())[number]
            if offset < 8:
                break
            plane.parent.filehandle.seek(offset)
            coarser.append(tifffile.TiffPage(plane.parent, index=(plane.index, number + 1)))
        sizes = {(one.imagelength, one.imagewidth, one.samplesperpixel) for one in coarser}
        if len(coarser) == len(planes) and len(sizes) == 1:
            levels.append(coarser)
    return levels
