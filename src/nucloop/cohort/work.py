"""What a worker does with a slide or a part of one; it hands back an outcome, whatever happens.

Networks, readers and figures are loaded by who works, within the functions below: the client and the scheduler know the
work by its name and do without some hundred MB.
"""

from __future__ import annotations

import errno
import shutil
import time
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nucloop.cohort.places import local_copy
from nucloop.cohort.result import result_folder
from nucloop.cohort.settings import CohortSettings
from nucloop.cohort.slide_entry import SlideEntry
from nucloop.errors import DataError, DeviceError, NucLoopError, SlideError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from nucloop.cohort.part_file import Part
    from nucloop.detection.pipeline import Pipeline
    from nucloop.geometry import Region
    from nucloop.slides import Slide
    from nucloop.slides.tissue import TissueMap

__all__ = ["Job", "Outcome", "do_part", "do_slide", "join_parts"]


@dataclass(frozen=True)
class Job:
    """A slide to work on, in plain values that travel to a worker."""

    folder: Path
    """The cohort's, which every worker sees."""
    entry: SlideEntry
    key: str
    settings: CohortSettings
    hashes: dict[str, str]
    device: str = "auto"
    parts: int = 1
    """In so many parts it is done."""
    session: Path | None = None
    """Where its session lies, if it shall have one."""

    @property
    def target(self) -> Path:
        """Where the result goes."""
        return result_folder(self.folder / "results", self.entry.id, self.key)

    def part(self, number: int) -> Path:
        """Where a finished part waits for the others."""
        return self.folder / "parts" / f"{self.entry.id}.{self.key}" / f"{number + 1}-of-{self.parts}.npz"


@dataclass(frozen=True)
class Outcome:
    """How it went."""

    slide: str
    sentence: str = ""
    """What went wrong, for a person; empty where all is well."""
    again: bool = False
    """Whether another attempt may go better."""
    details: str = ""
    seconds: float = 0.0


def do_slide(job: Job) -> Outcome:
    """Work on a whole slide."""
    return _outcome(job, partial(_slide, job))


def do_part(job: Job, number: int) -> Outcome:
    """Work on one part of a slide; a part that is there already is not done again."""
    return _outcome(job, partial(_part, job, number))


def join_parts(job: Job, parts: Sequence[Outcome]) -> Outcome:
    """Make the result of a slide from its parts; where one failed, so does the slide."""
    failed = [part for part in parts if part.sentence]
    return failed[0] if failed else _outcome(job, partial(_join, job))


def _outcome(job: Job, work: Callable[[], None]) -> Outcome:
    begun = time.perf_counter()
    try:
        work()
    except NucLoopError as error:
        again = isinstance(error, DataError | DeviceError)
        return Outcome(job.entry.id, str(error), again, traceback.format_exc())
    except MemoryError:
        sentence = (
            f"There was not enough memory for {job.entry.id}. Give each worker more (fewer --workers), and run again."
        )
        return Outcome(job.entry.id, sentence, again=True, details=traceback.format_exc())
    except OSError as error:
        full = " Make room there, and run again." if error.errno == errno.ENOSPC else " Run again when it is there."
        sentence = f"Cannot read or write {error.filename or 'a file'}: {error.strerror or error}.{full}"
        return Outcome(job.entry.id, sentence, again=True, details=traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - it costs this slide only, and is written down
        sentence = (
            f"NucLoop has a fault ({type(error).__name__}: {error}). Send {job.entry.id}.json of the folder failures "
            "to the developers."
        )
        return Outcome(job.entry.id, sentence, details=traceback.format_exc())
    return Outcome(job.entry.id, seconds=time.perf_counter() - begun)


def _slide(job: Job) -> None:
    if job.target.exists():
        return
    from nucloop.slides.tissue import map_tissue

    with _opened(job) as slide, _pipeline(job) as pipeline:
        regions, tissue = _regions(job), map_tissue(slide)
        part = _found(pipeline, slide, regions, tissue, 0, 1)
        _write(job, pipeline, slide, regions, tissue, [part])


def _part(job: Job, number: int) -> None:
    if job.target.exists() or job.part(number).exists():
        return
    from nucloop.cohort.part_file import write_part
    from nucloop.slides.tissue import map_tissue

    with _opened(job) as slide, _pipeline(job) as pipeline:
        write_part(job.part(number), _found(pipeline, slide, _regions(job), map_tissue(slide), number, job.parts))


def _join(job: Job) -> None:
    from nucloop.cohort.part_file import read_part
    from nucloop.slides.tissue import map_tissue

    if not job.target.exists():
        with _opened(job) as slide, _pipeline(job) as pipeline:
            parts = []
            for number in range(job.parts):
                part = read_part(job.part(number), pipeline.scheme)
                if part is None:
                    job.part(number).unlink(missing_ok=True)
                    raise DataError(f"Part {number + 1} of {job.entry.id} has gone. Run again: it is found anew.")
                parts.append(part)
            _write(job, pipeline, slide, _regions(job), map_tissue(slide), parts)
    shutil.rmtree(job.part(0).parent, ignore_errors=True)


@contextmanager
def _opened(job: Job) -> Iterator[Slide]:
    """Open the slide, and see that it is the one that the cohort was made with."""
    from nucloop.session.identity import SlideIdentity
    from nucloop.slides import open_slide

    entry = job.entry
    with local_copy(entry.path) as file, open_slide(file, mpp=entry.mpp, image=entry.image or None) as slide:
        if entry.sha256 and SlideIdentity.of(slide).info.sha256 != entry.sha256:
            raise SlideError(f"{entry.path} has changed while the cohort was worked on. Run again to take it as it is.")
        yield slide


@contextmanager
def _pipeline(job: Job) -> Iterator[Pipeline]:
    from nucloop.cohort.pipelines import device_of_worker, pipeline_for

    with pipeline_for(job.settings.spec(device_of_worker(job.device)), job.hashes) as pipeline:
        yield pipeline


def _regions(job: Job) -> list[Region]:
    from nucloop.formats.regions import read_regions

    return read_regions(job.entry.regions) if job.entry.regions else []


def _found(
    pipeline: Pipeline, slide: Slide, regions: Sequence[Region], tissue: TissueMap, number: int, parts: int
) -> Part:
    """Return what is found in one part of a slide's tiles, those of empty glass left out unread.

    The tiles are the same ones in however many parts, and so is what is found in them.
    """
    from nucloop.cohort.part_file import Part
    from nucloop.nuclei import Nuclei

    areas = list(regions) or None
    tiles = [tile for tile, box in pipeline.plan(slide, areas) if not tissue.is_empty(box)]
    mine = tiles[len(tiles) * number // parts : len(tiles) * (number + 1) // parts]
    tables, without_contrast = [], 0
    for one in pipeline.run(slide, areas, tiles=mine):
        tables.append(one.nuclei)
        without_contrast += one.without_contrast
    return Part(Nuclei.concatenate(tables, pipeline.scheme), without_contrast)


def _write(
    job: Job, pipeline: Pipeline, slide: Slide, regions: Sequence[Region], tissue: TissueMap, parts: Sequence[Part]
) -> None:
    from nucloop.cohort.writing import Found, write_result
    from nucloop.nuclei import Nuclei

    found = Found(
        slide=slide,
        tissue=tissue,
        nuclei=Nuclei.concatenate([part.nuclei for part in parts], pipeline.scheme).numbered(),
        regions=tuple(regions),
        weights=pipeline.weights,
        notices=tuple(pipeline.notices),
        without_contrast=sum(part.without_contrast for part in parts),
    )
    write_result(job.target, job.entry, job.settings, found, job.session)
