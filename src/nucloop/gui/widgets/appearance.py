"""How the docks look: one style sheet, made from the colours of napari's theme."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.utils.theme import get_theme

if TYPE_CHECKING:
    from napari.utils.theme import Theme

__all__ = ["style_sheet"]

ACCENT = {"dark": "#1f6fd0", "light": "#1a63c0"}
LINK = {"dark": "#6fb1ff", "light": "#1a56b0"}
"""Colour of a link: read easily on the dock's own ground, and unlike any words beside it."""
TONES = {
    "info": ("#5b8def", "#2f62c9"),
    "good": ("#2fa57f", "#0b7f5c"),
    "warning": ("#e69f00", "#a86f00"),
    "error": ("#e8684a", "#b93a1c"),
}
"""Colour of a message's edge on dark and on light themes."""


def style_sheet(theme_name: str) -> str:
    """Return the style sheet of the docks for a theme of napari."""
    theme = get_theme(theme_name)
    dark = theme.type == "dark"
    accent = ACCENT[theme.type]
    tones = "".join(
        f'#NucloopMessage[tone="{tone}"] {{ border-left: 3px solid {colours[0 if dark else 1]}; }}\n'
        for tone, colours in TONES.items()
    )
    return _RULES.format(
        accent=accent,
        link=LINK[theme.type],
        accent_hover="#2f82e6" if dark else "#124e9c",
        panel=_mixed(theme, 0.12),
        line=_mixed(theme, 0.28),
        dim=_mixed(theme, 0.66),
        text=theme.text.as_hex(),
        background=theme.background.as_hex(),
    ) + tones  # fmt: skip


def _mixed(theme: Theme, share: float) -> str:
    """Return a colour between background (0) and text (1)."""
    ends = [colour.as_rgb_tuple(alpha=False) for colour in (theme.background, theme.text)]
    return "#" + "".join(f"{round(b + share * (t - b)):02x}" for b, t in zip(*ends, strict=True))


_RULES = """
QPushButton#NucloopDetect {{
    background: {accent}; color: white; font-weight: 600; text-align: left;
    padding: 9px 14px; border-radius: 4px;
}}
QPushButton#NucloopDetect:hover {{ background: {accent_hover}; }}
QPushButton#NucloopDetect:disabled {{ background: {panel}; color: {dim}; border: none; }}
QLabel#NucloopKeys {{ background: transparent; color: rgba(255, 255, 255, 190); }}
QLabel#NucloopKeys:disabled {{ color: {dim}; }}
QToolButton#NucloopScope {{
    background: {panel}; color: {text}; border: none; border-right: 1px solid {background};
    border-radius: 0px; padding: 5px 4px;
}}
QToolButton#NucloopScope:hover {{ background: {line}; }}
QToolButton#NucloopScope:checked {{ background: {accent}; color: white; }}
QLabel {{ padding: 0px; margin: 0px; }}
QLabel#NucloopDim, QLabel#NucloopCount {{ color: {dim}; }}
QLabel#NucloopHeading {{ color: {text}; font-weight: 600; }}
QLabel#NucloopKey {{ color: {dim}; border: 1px solid {line}; border-radius: 3px; padding: 0px 4px; }}
#NucloopMessage, #NucloopQuestion {{ background: {panel}; border: none; border-radius: 3px; }}
#NucloopMessage QLabel, #NucloopQuestion QLabel {{ background: transparent; color: {text}; }}
QLabel#NucloopBig {{ color: {text}; font-size: 26px; font-weight: 600; }}
QLabel#NucloopFlaw {{ background: {panel}; border-left: 3px solid #e69f00; border-radius: 3px; padding: 6px 8px; }}
QPushButton#NucloopMain {{ background: {accent}; color: white; font-weight: 600; padding: 4px 14px; }}
QPushButton#NucloopMain:hover {{ background: {accent_hover}; }}
QPushButton#NucloopMain:disabled {{ background: {panel}; color: {dim}; border: none; padding: 4px 14px; }}
QTableView#NucloopRows {{ background: transparent; border: none; alternate-background-color: {panel}; color: {text};
    selection-background-color: {accent}; selection-color: white; }}
QTableView#NucloopRows::item:selected {{ background: {accent}; color: white; }}
QTableView#NucloopRows QHeaderView, QTableView#NucloopRows QHeaderView::section {{
    background: {background}; border: none; color: {dim}; padding: 3px 4px;
}}
QTableWidget#NucloopTable {{ background: transparent; border: none; }}
QTableWidget#NucloopTable::item {{ padding: 0px 1px; }}
QTableWidget#NucloopTable QHeaderView, QTableWidget#NucloopTable QHeaderView::section {{
    background: transparent; border: none; color: {dim}; padding: 0px 2px;
}}
QFrame#NucloopLine {{ background: {line}; border: none; }}
QPushButton#NucloopLink, QPushButton#NucloopOnly {{
    background: transparent; color: {dim}; border: none; padding: 1px 4px;
}}
QPushButton#NucloopLink {{ color: {link}; text-decoration: underline; }}
QPushButton#NucloopSection {{
    background: transparent; color: {dim}; border: none; text-align: left; padding: 3px 0px;
}}
QPushButton#NucloopSection:hover {{ color: {text}; background: {line}; }}
QPushButton#NucloopSection:checked {{ background: transparent; color: {text}; }}
QPushButton#NucloopLink:hover, QPushButton#NucloopOnly:hover {{ color: {text}; background: {line}; }}
QPushButton#NucloopOnly:checked {{ color: white; background: {accent}; }}
#NucloopRow {{ border-radius: 3px; }}
#NucloopRow:hover {{ background: {panel}; }}
#NucloopRow QLabel {{ background: transparent; }}
#NucloopRow[off="true"] QLabel#NucloopName {{ color: {dim}; text-decoration: line-through; }}
#NucloopChoice {{ border-radius: 3px; border-left: 3px solid transparent; }}
#NucloopChoice:hover {{ background: {panel}; }}
#NucloopChoice[current="true"] {{ background: {panel}; border-left: 3px solid {accent}; }}
#NucloopChoice QLabel {{ background: transparent; }}
#NucloopChoice[current="true"] QLabel#NucloopName {{ font-weight: 600; }}
QPushButton#NucloopNotice {{
    background: {panel}; color: {text}; text-align: left; padding: 7px 10px;
    border-left: 3px solid #e69f00; border-radius: 3px;
}}
QPushButton#NucloopNotice:hover {{ background: {line}; }}
QProgressBar#NucloopProgress {{
    background: {panel}; border: none; border-radius: 3px; max-height: 6px; min-height: 6px;
}}
QProgressBar#NucloopProgress::chunk {{ background: {accent}; border-radius: 3px; }}
"""
