"""The resolution of a session: its nuclei were found and measured at it, so that another one is a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.gui.sessions.session_places import Answer, Trouble

if TYPE_CHECKING:
    from nucloop.session import Session

__all__ = ["another_resolution", "same_resolution"]

_SAME = 0.01
"""Files that say the same resolution differ by less: they round."""


def same_resolution(a: float, b: float) -> bool:
    """Whether two resolutions, µm per pixel, are one."""
    return abs(a - b) <= _SAME * max(a, b)


def another_resolution(session: Session, said: float) -> Trouble:
    """Ask what shall become of a session whose slide is now said to have another resolution, µm per pixel."""
    kept = session.slide.info.mpp
    assert kept is not None
    times = said / kept
    count = len(session)
    nuclei = "1 nucleus" if count == 1 else f"{count:,} nuclei"
    old, new = f"{kept:.4g} µm", f"{said:.4g} µm"
    keep, rescale, anew = f"Keep {old}", f"Rescale to {new}", f"New session at {new}"
    text = [
        f"{nuclei} of {session.slide.info.name} are kept at {old} per pixel, and you say {new} now.",
        f"{keep}: nothing changes.",
    ]
    answers = [Answer.KEEP_RESOLUTION]
    if not session.read_only:
        answers.append(Answer.RESCALE)
        text.append(
            f"{rescale}: every nucleus stays where it is, with its class; lengths become {times:.3g} times and areas "
            f"{times**2:.3g} times what they were. The model looked for nuclei of another size: what it missed or took "
            "for two stays so."
        )
    if not session.read_only and session.path is not None:
        answers.append(Answer.NEW_SESSION)
        text.append(f"{anew}: begins empty. What there is stays in a file of its own beside the session.")
    words = {Answer.KEEP_RESOLUTION: keep, Answer.RESCALE: rescale, Answer.NEW_SESSION: anew}
    return Trouble("\n\n".join(text), tuple(answers), words=words)
