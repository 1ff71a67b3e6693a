"""What the Ki-67 dock remembers: what counts as positive, per slide and per class scheme."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSettings

from nucloop.errors import NucLoopError
from nucloop.ki67 import Ki67Settings
from nucloop.ki67.class_giver import model_knows
from nucloop.session.exchange import newest_weights
from nucloop.slides.stain_kind import StainKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nucloop.classes import ClassScheme
    from nucloop.session import Session

__all__ = ["recall_settings", "recall_stain", "remember_settings", "remember_stain", "renamed", "sets_of"]

_SETTINGS, _STAIN = "ki67 settings", "stain"
_SETS = ("positive", "negative", "left_out", "doubted")
_OF_CLASSES = ("by_dab", "positive", "negative", "half_width")
"""What is kept for other slides too. What is left out is not: it depends on who gave the classes of a slide."""


def recall_settings(session: Session, stain: StainKind | None = None) -> Ki67Settings:
    """Return what was chosen for this slide, else for others with these classes, else what follows from the slide.

    Parameters
    ----------
    session : Session
    stain : StainKind, optional
        What the slide is stained with.
    """
    scheme, weights = session.scheme, newest_weights(session)
    guess = Ki67Settings.guess(scheme, stain, believed=model_knows(weights))
    own, elsewhere = _dict(session.recall(_SETTINGS)), _dict(_of_scheme(scheme))
    kept = _for_other_slides(elsewhere) | own
    sets: dict[str, Any] = {key: _names_in(session, kept[key]) for key in _SETS if key in kept}
    if sets.get("positive", frozenset()) & sets.get("negative", frozenset()):
        return guess
    if "left_out" in sets:
        # who chose what is left out has decided about classes that the program doubts as well
        sets.setdefault("doubted", frozenset())
    threshold = kept.get("threshold")
    return replace(
        guess,
        grades=_grades(kept.get("grades")),
        by_dab=bool(kept.get("by_dab", guess.by_dab)),
        threshold=float(threshold) if isinstance(threshold, int | float) and threshold > 0 else None,
        half_width=float(min(max(kept.get("half_width", guess.half_width), 0.005), 0.49)),
        **sets,
    )


def _grades(kept: object) -> tuple[float, float] | None:
    match kept:
        case [int() | float() as second, int() | float() as third] if 0 < second <= third:
            return float(second), float(third)
    return None


def remember_settings(session: Session, chosen: Mapping[str, Any]) -> None:
    """Keep what a person has just chosen, in the session and, what depends on the classes alone, for them.

    Parameters
    ----------
    session : Session
    chosen : dict
        Fields of Ki67Settings. What nobody chose is not kept, so that it goes on following from the slide.
    """
    plain = {key: sorted(value) if key in _SETS else value for key, value in chosen.items()}
    if not session.read_only:
        with suppress(NucLoopError):
            session.remember(_SETTINGS, _dict(session.recall(_SETTINGS)) | plain)
    ours = {key: value for key, value in plain.items() if key in _OF_CLASSES}
    _store().setValue(_key(session.scheme), json.dumps(_dict(_of_scheme(session.scheme)) | ours))


def renamed(settings: Ki67Settings, names: Mapping[str, str | None]) -> Ki67Settings:
    """Return settings that mean the same classes under other names.

    Parameters
    ----------
    settings : Ki67Settings
    names : dict
        What each class is called by now, None for those that are gone.
    """
    sets: dict[str, Any] = {}
    for key, kept in sets_of(settings).items():
        now = {names.get(name, name) for name in kept}
        sets[key] = frozenset(name for name in now if name is not None)
    return replace(settings, **sets)


def sets_of(settings: Ki67Settings) -> dict[str, frozenset[str]]:
    """Return the fields that name classes."""
    return {key: getattr(settings, key) for key in _SETS}


def recall_stain(session: Session) -> StainKind | None:
    """Return what a person said the slide is stained with."""
    with suppress(ValueError):
        return StainKind(str(session.recall(_STAIN)))
    return None


def remember_stain(session: Session, stain: StainKind | None) -> None:
    """Keep what a person says the slide is stained with; None lets the program tell again."""
    if not session.read_only:
        with suppress(NucLoopError):
            session.remember(_STAIN, None if stain is None else str(stain))


def _for_other_slides(kept: dict[str, Any]) -> dict[str, Any]:
    """Take what classes mean, which holds on every slide; whether DAB decides follows from a slide's own stain."""
    says_what_classes_mean = kept.get("by_dab") is False and kept.get("positive") and kept.get("negative")
    return {key: kept[key] for key in _OF_CLASSES if key in kept and (key != "by_dab" or says_what_classes_mean)}


def _dict(kept: object) -> dict[str, Any]:
    return kept if isinstance(kept, dict) else {}


def _names_in(session: Session, kept: object) -> frozenset[str]:
    """Return what the classes that were kept are called by now; those that are no longer there are forgotten."""
    names = [session.name_now(name) for name in kept if isinstance(name, str)] if isinstance(kept, list) else []
    return frozenset(name for name in names if name is not None)


def _of_scheme(scheme: ClassScheme) -> object:
    text = _store().value(_key(scheme))
    with suppress(TypeError, ValueError):
        return json.loads(str(text))
    return None


def _key(scheme: ClassScheme) -> str:
    return "ki67/" + "|".join(name.replace("/", " ") for name in scheme.names)


def _store() -> QSettings:
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "NucLoop", "NucLoop")
