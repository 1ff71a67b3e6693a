"""What a detection run says when it cannot begin, and when it has ended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from nucloop.detection.contrast import without_contrast
from nucloop.errors import DataError
from nucloop.gui.widgets.jobs import Ending, How
from nucloop.gui.widgets.messages import Message, Tone

if TYPE_CHECKING:
    from nucloop.detection.pipeline import Pipeline
    from nucloop.gui.layer.nuclei_layer import NucleiLayer

__all__ = ["check_scheme", "goes_on", "last_word"]


def check_scheme(nuclei: NucleiLayer | None, pipeline: Pipeline) -> None:
    """Check that nuclei can take the classes that a pipeline gives.

    Raises
    ------
    DataError
        If people have worked on them with other classes.
    """
    if nuclei is None or not nuclei.session.history(1):
        return
    missing = nuclei.session.missing_classes(pipeline.scheme)
    if missing:
        raise DataError(
            f"The nuclei of {nuclei.image.name} have the classes of {nuclei.session.scheme.name}; the chosen head "
            f"gives {', '.join(missing)} as well. Choose the head they were found with."
        )


def goes_on(tiles: int) -> Message:
    """Say that a run that was stopped goes on, and what of it is kept."""
    were = "1 tile was" if tiles == 1 else f"{tiles:,} tiles were"
    return Message(f"Goes on where it was stopped: {were} finished before, and their nuclei are kept.")


def last_word(ending: Ending, found: int, new: int, outlined: int = 0, without: int = 0) -> Message:
    """Say how a run has ended, and how many points without contrast were left out."""
    if ending.how is How.FAILED:
        return Message(ending.message, Tone.ERROR, ending.details)
    message = _last_word(ending, found, new, outlined)
    return replace(message, text=f"{message.text} {without_contrast(without)}.") if without else message


def _last_word(ending: Ending, found: int, new: int, outlined: int) -> Message:
    if ending.how is How.CANCELLED:
        if not new:
            return Message("Cancelled before anything new was found.")
        kept = f"{_nuclei(new)} found until then {'is' if new == 1 else 'are'} kept"
        return Message(f"Cancelled. {kept}; the same detection goes on from there.")
    if not found:
        return Message("No nuclei found here. Move to a field with tissue, or zoom in, and detect again.", Tone.WARNING)
    if outlined:
        fresh = f"{_nuclei(new)} added, and " if new else ""
        has = "has" if outlined == 1 else "have"
        return Message(f"{fresh}{_nuclei(outlined)} that had no outline {has} one now.", Tone.GOOD)
    if not new:
        return Message(f"Nothing new: {_nuclei(found)} found here {'was' if found == 1 else 'were'} known before.")
    known = f"; {found - new:,} known before" if found > new else ""
    return Message(f"{_nuclei(new)} {'added' if known else 'found'}{known}.", Tone.GOOD)


def _nuclei(count: int) -> str:
    return "1 nucleus" if count == 1 else f"{count:,} nuclei"
