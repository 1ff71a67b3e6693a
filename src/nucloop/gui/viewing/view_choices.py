"""What a person has around a slide, remembered from one day to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from nucloop.gui.widgets.own_settings import own_settings

__all__ = ["ViewChoices"]

_GROUP = "view"


@dataclass(frozen=True, kw_only=True)
class ViewChoices:
    """Which helps are shown."""

    overview: bool = True
    """The overview map."""
    scale_bar: bool = True
    """napari's scale bar, as soon as the resolution is known."""
    background: bool = True
    """The colour of glass around a brightfield slide, instead of the theme's."""
    smooth: bool = True
    """Pixels flow into each other where each is larger than one of the screen."""

    @classmethod
    def kept(cls) -> ViewChoices:
        """Return them as a person left them."""
        settings = own_settings()
        usual = asdict(cls())
        return cls(**{name: settings.value(f"{_GROUP}/{name}", usual[name], type=bool) for name in usual})

    def keep(self) -> None:
        """Remember them."""
        settings = own_settings()
        for name, value in asdict(self).items():
            settings.setValue(f"{_GROUP}/{name}", value)
