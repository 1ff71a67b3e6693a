"""What the Ki-67 dock remembers: what counts as positive, per slide and per class scheme."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSettings

from nucloop.errors import NucLoopError
from nucloop.ki67 import Ki67Settings

if TYPE_CHECKING:
    from nucloop.classes import ClassScheme
    from nucloop.session import Session

__all__ = ["recall_settings", "remember_settings"]

_SETTINGS = "ki67 settings"


def recall_settings(session: Session) -> Ki67Settings:
    """Return what was chosen for this slide, else for other slides with these classes, else what the names say."""
    guess = Ki67Settings.guess(session.scheme)
    own = session.recall(_SETTINGS)
    kept = own if own is not None else _of_scheme(session.scheme)
    if not isinstance(kept, dict):
        return guess
    sets = {key: _names_in(session.scheme, kept.get(key)) for key in ("positive", "negative", "left_out")}
    if sets["positive"] & sets["negative"]:
        return guess
    threshold = kept.get("threshold") if own is not None else None
    return Ki67Settings(
        by_dab=bool(kept.get("by_dab")),
        threshold=float(threshold) if isinstance(threshold, int | float) and threshold > 0 else None,
        half_width=float(min(max(kept.get("half_width", 0.05), 0.005), 0.49)),
        **sets,
    )


def remember_settings(session: Session, settings: Ki67Settings) -> None:
    """Keep what was chosen: in the session, and (without the threshold, which is a slide's own) for the classes."""
    plain: dict[str, Any] = {
        "by_dab": settings.by_dab,
        "threshold": settings.threshold,
        "half_width": settings.half_width,
        **{key: sorted(getattr(settings, key)) for key in ("positive", "negative", "left_out")},
    }
    if not session.read_only:
        with suppress(NucLoopError):
            session.remember(_SETTINGS, plain)
    _store().setValue(_key(session.scheme), json.dumps({**plain, "threshold": None}))


def _names_in(scheme: ClassScheme, kept: object) -> frozenset[str]:
    """Return what the classes that were kept are called in a scheme; those that it lacks are forgotten."""
    labels = [scheme.find(name) for name in kept if isinstance(name, str)] if isinstance(kept, list) else []
    return frozenset(scheme.names[label] for label in labels if label is not None)


def _of_scheme(scheme: ClassScheme) -> object:
    text = _store().value(_key(scheme))
    with suppress(TypeError, ValueError):
        return json.loads(str(text))
    return None


def _key(scheme: ClassScheme) -> str:
    return "ki67/" + "|".join(name.replace("/", " ") for name in scheme.names)


def _store() -> QSettings:
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "NucLoop", "NucLoop")
