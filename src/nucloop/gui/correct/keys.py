"""The keys of correcting: which there are, what a person has changed them to, and putting them on a nuclei layer.

They are bound to the layer itself, so they act only while it is the active one and the canvas has the focus; napari's
own keys on all other layers stay as they are. Where crops of nuclei are shown, the same keys mean the selected ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from qtpy.QtGui import QKeySequence

from nucloop.classes import MOST_KEYS
from nucloop.gui.correct.corrections import Corrections
from nucloop.gui.correct.key_places import by_place, pressed_key
from nucloop.gui.correct.pointer import Pointer, Tool
from nucloop.gui.correct.review import Review
from nucloop.gui.widgets.own_settings import own_settings
from nucloop.nuclei import UNLABELLED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from napari.layers import Points
    from qtpy.QtGui import QKeyEvent

__all__ = [
    "CLASS_COMMANDS",
    "COMMANDS",
    "SLIDE_COMMANDS",
    "Command",
    "KeyTargets",
    "bind_keys",
    "known_keys",
    "load_keys",
    "press",
    "save_keys",
    "unbind_keys",
]

_GROUP = "correcting keys"
_QT_TO_NAPARI = {"Del": "Delete", "Return": "Enter", "Esc": "Escape", "PgUp": "PageUp", "PgDown": "PageDown"}


@dataclass(frozen=True)
class Command:
    """Something a key does."""

    name: str
    """By which it is kept in the settings."""
    words: str
    """What a person reads."""
    key: str
    """Unless a person has changed it, as Qt writes keys."""
    act: Callable[[Corrections, Pointer, Review], object]
    also: tuple[str, ...] = ()
    """Further keys that always do it."""
    hold: Tool | None = None
    """A tool that is used while the key is held."""
    needs_slide: bool = False
    """Means a place on the slide, or what of it is on screen."""
    anywhere: bool = False
    """Works in the whole window, and is bound there: the nuclei layer does not know it."""


class KeyTargets(NamedTuple):
    """What keys act on: everything that can be done to the nuclei of one layer."""

    corrections: Corrections
    pointer: Pointer
    review: Review


def _giving(key: int) -> Callable[[Corrections, Pointer, Review], object]:
    return lambda corrections, _pointer, _review: corrections.give_key(key)


CLASS_COMMANDS = tuple(
    Command(f"class {key}", f"Class {key}", str(key), _giving(key)) for key in range(1, MOST_KEYS + 1)
)
SLIDE_COMMANDS = (
    Command("next slide", "Next slide", "Ctrl+PgDown", lambda _c, _p, _r: None, anywhere=True),
    Command("previous slide", "Previous slide", "Ctrl+PgUp", lambda _c, _p, _r: None, anywhere=True),
    Command("slide done", "Slide is done, next one", "Ctrl+Return", lambda _c, _p, _r: None, anywhere=True),
)
COMMANDS = (
    *CLASS_COMMANDS,
    Command("add", "Add a nucleus", "A", lambda c, _p, _r: c.add_here(), needs_slide=True),
    Command("delete", "Delete", "D", lambda c, _p, _r: c.delete(), also=("Del", "Backspace")),
    Command("confirm", "Confirm the class", "Y", lambda c, _p, _r: c.confirm()),
    Command("brush", "Brush, while held", "B", lambda _c, _p, _r: None, hold=Tool.BRUSH, needs_slide=True),
    Command("lasso", "Lasso, while held", "L", lambda _c, _p, _r: None, hold=Tool.LASSO, needs_slide=True),
    Command("outline", "Outline, while held", "O", lambda _c, _p, _r: None, hold=Tool.OUTLINE, needs_slide=True),
    Command("split", "Split, while held", "X", lambda _c, _p, _r: None, hold=Tool.SPLIT, needs_slide=True),
    Command("merge", "Merge the selected ones", "M", lambda c, _p, _r: c.merge()),
    Command("next class", "Next class", "N", lambda c, _p, _r: c.step_class(+1)),
    Command("previous class", "Previous class", "P", lambda c, _p, _r: c.step_class(-1)),
    Command("no class", "Take the class away", "0", lambda c, _p, _r: c.give_class(UNLABELLED)),
    Command(
        "select view", "Select all on screen", "Ctrl+Shift+A", lambda c, _p, _r: c.select_in_view(), needs_slide=True
    ),
    Command(
        "confirm view", "Confirm all on screen", "Ctrl+Shift+Y", lambda c, _p, _r: c.confirm_in_view(), needs_slide=True
    ),
    Command("clear", "Select nothing", "Esc", lambda c, _p, _r: c.clear_selection()),
    Command("review", "Review: next nucleus", "Space", lambda _c, _p, r: r.next(), needs_slide=True),
    Command("review back", "Review: the one before", "Shift+Space", lambda _c, _p, r: r.back(), needs_slide=True),
    Command("undo", "Undo", "Ctrl+Z", lambda c, _p, _r: c.undo()),
    Command("redo", "Redo", "Ctrl+Y", lambda c, _p, _r: c.redo(), also=("Ctrl+Shift+Z",)),
    *SLIDE_COMMANDS,
)


def load_keys() -> dict[str, str]:
    """Return the key of every command by its name, as the person has set it."""
    settings = own_settings()
    settings.beginGroup(_GROUP)
    keys = {c.name: str(settings.value(c.name, c.key) or "") for c in COMMANDS}
    settings.endGroup()
    return keys


def save_keys(keys: Mapping[str, str]) -> None:
    """Keep keys by command; those that are as they come are not written down."""
    settings = own_settings()
    settings.beginGroup(_GROUP)
    settings.remove("")
    for command in COMMANDS:
        if keys.get(command.name, command.key) != command.key:
            settings.setValue(command.name, keys[command.name])
    settings.endGroup()
    settings.sync()


def bind_keys(hands: KeyTargets, keys: Mapping[str, str]) -> None:
    """Put the keys on the layer of some nuclei, in place of those that were put there before."""
    layer = hands.corrections.nuclei.layer
    unbind_keys(layer)
    bound: list[str] = []

    def bind(key: str, function: Callable[[Points], Any]) -> None:
        name = _napari_key(key)
        if name:
            layer.bind_key(name, function, overwrite=True)
            bound.append(name)

    for command in COMMANDS:
        for key in () if command.anywhere else (*command.also, keys[command.name]):
            bind(key, _function(command, hands))
    layer.metadata["nucloop keys"] = tuple(bound)


def unbind_keys(layer: Points) -> None:
    """Take the keys off a layer."""
    for old in layer.metadata.pop("nucloop keys", ()):
        layer.bind_key(old, None)


def known_keys(keys: Mapping[str, str]) -> set[str]:
    """Return all keys that do something on the slide, as Qt writes them."""
    return {_portable(key) for command in COMMANDS for key in (*command.also, keys[command.name]) if key}


def press(event: QKeyEvent, hands: KeyTargets, keys: Mapping[str, str]) -> bool:
    """Do what a key means away from the slide; return whether it means anything there."""
    pressed = pressed_key(by_place(event, known_keys(keys)) or event)
    for command in COMMANDS:
        elsewhere = command.needs_slide or command.anywhere
        if not elsewhere and pressed in map(_portable, (*command.also, keys[command.name])):
            command.act(*hands)
            return True
    return False


def _portable(key: str) -> str:
    return QKeySequence(key).toString(QKeySequence.SequenceFormat.PortableText)


def _function(command: Command, hands: KeyTargets) -> Callable[[Points], Any]:
    tool = command.hold
    if tool is None:
        return lambda _: _nothing(command.act(hands.corrections, hands.pointer, hands.review))

    def hold(_: Points) -> Iterator[None]:
        yield from hands.pointer.held(tool)

    return hold


def _nothing(_: object) -> None:
    """Return nothing: napari would take a callable for something to call when the key is released."""


def _napari_key(key: str) -> str:
    """Return a key as napari writes it; empty when there is none."""
    text = _portable(key)
    if not text or "," in text.strip(","):
        return ""
    *modifiers, last = text.split("+") if text != "+" else ["+"]
    return "+".join([*modifiers, _QT_TO_NAPARI.get(last, last)])
