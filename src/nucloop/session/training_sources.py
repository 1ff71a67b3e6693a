"""Sessions and files of nuclei as sources of a training set."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from nucloop.errors import DataError
from nucloop.export.sources import Source, SourceFiles, read_source_list
from nucloop.formats import SlideInfo, adopt, read_regions
from nucloop.formats.fitting import misfits
from nucloop.session.exchange import is_session, read_annotations, slide_of_session
from nucloop.session.keeping.place import SUFFIX
from nucloop.slides import open_slide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from nucloop.classes import ClassScheme

__all__ = ["files_of", "source_of"]


def files_of(sources: Sequence[Path]) -> list[SourceFiles]:
    """Return the files of each slide: of lists, of sessions beside their slides, and of folders of sessions.

    Raises
    ------
    DataError
        If a list cannot be read, a folder has no session, or a session's slide is not beside it.
    """
    files: list[SourceFiles] = []
    for path in sources:
        sessions = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path] if is_session(path) else None
        if sessions is None:
            files += read_source_list(path)
        elif sessions:
            files += [SourceFiles(slide_of_session(one), one) for one in sessions]
        else:
            raise DataError(f"There is no session (*{SUFFIX}) in {path}. Give another folder, or a list of slides.")
    return files


def source_of(
    files: SourceFiles, scheme: ClassScheme | None, mapping: Mapping[str, str | None], opened: ExitStack
) -> Source:
    """Read nuclei and regions, and open their slide.

    Parameters
    ----------
    files : SourceFiles
        Slide and nuclei; a session brings its own regions.
    scheme : ClassScheme, optional
        The classes of the set; a session's own unless given.
    mapping : dict
        From classes of the file to those of the scheme, or to None.
    opened : ExitStack
        Closes the slide.

    Raises
    ------
    NucLoopError
        If something cannot be read, or the nuclei are not of the slide or the scheme.
    """
    document = read_annotations(files.nuclei)
    own = is_session(files.nuclei)
    if scheme is None and not own:
        raise DataError(f"--scheme is missing: {files.nuclei.name} does not say which classes the set is to have.")
    said = document.slide.mpp if own and document.slide is not None else None
    slide = opened.enter_context(open_slide(files.slide, mpp=files.mpp or said))
    wrong = misfits(document, SlideInfo.of(slide))
    if wrong:
        raise DataError(f"{files.nuclei.name} does not fit {slide.name}. {' '.join(wrong)}")
    scheme = scheme or document.nuclei.scheme
    known = {name: to for name, to in mapping.items() if to is None or scheme.find(to) is not None}
    drawn = document.regions if own else ()
    return Source(
        slide=slide,
        nuclei=adopt(document.nuclei, scheme, known, source=files.nuclei.name),
        regions=drawn if files.regions is None else tuple(read_regions(files.regions)),
        patient=files.patient,
        annotation=files.nuclei.name,
        annotation_sha256="" if own else hashlib.sha256(files.nuclei.read_bytes()).hexdigest(),
    )
