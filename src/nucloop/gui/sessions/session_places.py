"""Opening the session of a slide: where it lies, what can stand in the way, and the ways out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from nucloop.errors import NucLoopError, SessionError
from nucloop.sample_files import sample_folder
from nucloop.session import (
    DamagedSession,
    OtherSlide,
    PlaceNotWritable,
    Session,
    SessionInUse,
    SlideIdentity,
    session_path,
)
from nucloop.session.keeping.place import ELSEWHERE, set_aside
from nucloop.session.keeping.repair import repair

if TYPE_CHECKING:
    from nucloop.classes import ClassScheme
    from nucloop.slides import Slide

__all__ = ["Answer", "Trouble", "has_session", "kept_where", "open_session", "trouble_with", "why_not_kept"]


class Answer(Enum):
    """A way out of trouble; the value is what its button says."""

    ELSEWHERE = "Keep it in my home folder"
    CHOOSE = "Choose a folder …"
    READ_ONLY = "Only look"
    AGAIN = "Try again"
    ADOPT = "It is the same slide"
    REPAIR = "Keep what is whole"
    SET_ASIDE = "Set it aside, begin anew"
    MEMORY = "Go on without keeping"
    KEEP_RESOLUTION = "Keep its resolution"
    RESCALE = "Rescale it"
    NEW_SESSION = "New session"


@dataclass(frozen=True)
class Trouble:
    """Why a session could not be opened, and what a person can do about it."""

    message: str
    answers: tuple[Answer, ...]
    elsewhere: Path | None = None
    words: dict[Answer, str] = field(default_factory=dict)
    """What the buttons say, where that is not the answer's own value."""


@dataclass(frozen=True)
class OpeningChoice:
    """How to open a session: as usual, or as a person has answered."""

    answer: Answer | None = None
    folder: Path | None = None
    file: Path | None = None
    """The session itself, where it lies neither beside the slide nor under its name."""


def trouble_with(error: NucLoopError, slide: Slide, way: OpeningChoice | None = None) -> Trouble:
    """Return the ways out of an error that opening a session has met."""
    text = str(error)
    if isinstance(error, PlaceNotWritable):
        answers = [Answer.ELSEWHERE, Answer.CHOOSE]
        path = _path_of(slide, way or OpeningChoice())
        if path is not None and path.exists():
            answers.append(Answer.READ_ONLY)
        return Trouble(text, (*answers, Answer.MEMORY), error.elsewhere)
    if isinstance(error, SessionInUse):
        return Trouble(text, (Answer.AGAIN, Answer.READ_ONLY))
    if isinstance(error, OtherSlide):
        return Trouble(text, (Answer.CHOOSE, Answer.ADOPT, Answer.MEMORY))
    if isinstance(error, DamagedSession):
        return Trouble(text, (Answer.REPAIR, Answer.SET_ASIDE, Answer.AGAIN, Answer.MEMORY))
    return Trouble(text, (Answer.AGAIN, Answer.CHOOSE, Answer.MEMORY))


def why_not_kept(slide: Slide) -> str:
    """Say why a slide's session ends with the window, as its samples' do; empty when it is kept."""
    if slide.path is None:
        return "This image has no file, so what you do is kept only while it is open in this window."
    if slide.path.parent == _samples():
        return "This is a sample, so what you do is kept only while it is open in this window."
    if not slide.is_usual_image:
        return (
            f"This is image {slide.image} of a file whose session is of another image, so what you do is kept only "
            "while it is open in this window. Export it."
        )
    return ""


def kept_where(session: Session, why_not: str) -> str:
    """Say where a session is kept, or why it is not."""
    if session.read_only:
        return "Opened to look only: nothing can be changed here."
    if session.path is None:
        return why_not or "What you do is kept only while the image is open in this window."
    return f"Kept in {session.path.name}"


def has_session(slide: Slide, way: OpeningChoice | None = None) -> bool:
    """Whether a slide that is kept has been worked on before."""
    path = _path_of(slide, way or OpeningChoice())
    return path is not None and path.exists()


def open_session(slide: Slide, scheme: ClassScheme | None, way: OpeningChoice | None = None) -> Session:
    """Open the session of a slide, or begin it with a scheme.

    Raises
    ------
    SessionError
        See `trouble_with` for the ways out.
    """
    way, identity = way or OpeningChoice(), SlideIdentity.of(slide)
    path = _path_of(slide, way)
    if path is None:
        if scheme is None:
            raise SessionError("A session needs classes to begin with. Wait until the models are loaded.")
        return Session.in_memory(identity, scheme)
    if way.answer is Answer.SET_ASIDE:
        set_aside(path)
    if way.answer is Answer.REPAIR:
        repair(path)
    return Session.open(
        path,
        slide=identity,
        scheme=scheme,
        read_only=way.answer is Answer.READ_ONLY,
        adopt=way.answer is Answer.ADOPT,
    )


def _path_of(slide: Slide, way: OpeningChoice) -> Path | None:
    """Return where the session lies; None when it is kept nowhere."""
    if slide.path is None or why_not_kept(slide) or way.answer is Answer.MEMORY:
        return None
    if way.file is not None:
        return way.file
    beside = session_path(slide.path, way.folder)
    elsewhere = session_path(slide.path, Path.home() / ELSEWHERE)
    # it was moved there when its own folder was found to be read-only
    moved = way.folder is None and not beside.exists() and elsewhere.exists()
    return elsewhere if moved else beside


def _samples() -> Path | None:
    try:
        return sample_folder().resolve()
    except NucLoopError:
        return None
