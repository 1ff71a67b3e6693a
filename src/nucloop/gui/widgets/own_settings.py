"""What NucLoop remembers for a person between two days, beside napari's own settings."""

from __future__ import annotations

from qtpy.QtCore import QSettings

__all__ = ["own_settings"]


def own_settings() -> QSettings:
    """Return the settings, a small text file in the person's folder for such files."""
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "NucLoop", "NucLoop")
