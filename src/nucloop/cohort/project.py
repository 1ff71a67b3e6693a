"""A cohort's folder: project.yaml, slides.parquet, and beside them what was found.

project.yaml      what slides are worked on with; people may edit it
slides.parquet    the slides
results/          SLIDE.KEY, one folder a slide; the key stands for the slide, the networks and the settings
failures/         why slides have no result
marks/            which slides are in review and done, by whom, and their tags
sessions/         where asked for
slides.csv        the table of all slides, and report.html beside it
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from nucloop.cohort.settings import CohortSettings
from nucloop.cohort.slide_entry import SlideEntry, read_slides, write_slides
from nucloop.configuration import SettingsError, first_fault, read_settings
from nucloop.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from filelock import BaseFileLock

__all__ = ["Project", "lock_project", "open_project", "project_folder", "save_project"]

_HEAD = (
    "# A cohort of NucLoop. What stands here decides about results: after a change nucloop cohort status calls those\n"
    "# from before stale, and nucloop cohort run makes them anew.\n"
)


@dataclass(frozen=True)
class Project:
    """A cohort: where it lies, how its slides are worked on, and which they are."""

    folder: Path
    settings: CohortSettings
    slides: tuple[SlideEntry, ...]

    @property
    def results(self) -> Path:
        """Folder of the results."""
        return self.folder / "results"

    @property
    def failures(self) -> Path:
        """Folder of what went wrong."""
        return self.folder / "failures"

    @property
    def parts(self) -> Path:
        """Folder of finished parts of large slides that are not whole yet."""
        return self.folder / "parts"

    @property
    def sessions(self) -> Path:
        """Folder of the sessions."""
        return self.folder / "sessions"

    @cached_property
    def shared_names(self) -> frozenset[str]:
        """Names of files that several slides have, each in its folder; without capitals."""
        counts = Counter(one.file_name.casefold() for one in self.slides)
        return frozenset(name for name, count in counts.items() if count > 1)


def open_project(folder: str | Path) -> Project:
    """Open a cohort.

    Raises
    ------
    DataError
        If there is none, or project.yaml or slides.parquet cannot be read.
    """
    folder = Path(folder).absolute()
    path = folder / "project.yaml"
    try:
        settings = read_settings(path)
    except OSError as error:
        raise DataError(f"{folder} is no cohort: it has no project.yaml. Make one with nucloop cohort init.") from error
    except SettingsError as error:
        raise DataError(f"{path} is not YAML any more: {error}. Correct what was changed last.") from error
    return Project(folder, _checked(settings, path), tuple(read_slides(folder / "slides.parquet")))


def project_folder(path: Path) -> Path:
    """Return the cohort's folder that is meant by itself, by a file in it, or by its results; else the path."""
    path = path.absolute()
    return next((one for one in (path, *path.parents[:3]) if (one / "project.yaml").is_file()), path)


def _checked(settings: object, path: Path) -> CohortSettings:
    try:
        return TypeAdapter(CohortSettings).validate_python(settings or {})
    except ValidationError as error:
        raise DataError(f"{path} cannot be used: {first_fault(error)}. Correct it.") from error


def save_project(folder: Path, settings: CohortSettings | None, slides: Sequence[SlideEntry]) -> None:
    """Write slides.parquet, and project.yaml where settings are given."""
    from nucloop.formats.atomic import replacing

    write_slides(folder / "slides.parquet", slides)
    if settings is not None:
        text = yaml.safe_dump(settings.to_dict(), sort_keys=False, allow_unicode=True)
        with replacing(folder / "project.yaml") as file:
            file.write((_HEAD + text).encode())


def lock_project(project: Project) -> BaseFileLock:
    """Take a cohort for a run; the lock ends with the process.

    Raises
    ------
    DataError
        If another run has it.
    """
    lock = FileLock(project.folder / ".run.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise DataError(
            f"Another nucloop cohort run works on {project.folder}. See how far it is with nucloop cohort status, "
            "or stop it first."
        ) from error
    except OSError as error:
        raise DataError(f"Cannot write to {project.folder}: {error.strerror or error}. Check its rights.") from error
    return lock
