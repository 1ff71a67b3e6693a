"""XML that other programs wrote, read with limits: a description is a page of text, whatever a file claims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from nucloop.errors import MisfitError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MarkupError", "attribute", "elements", "local_name", "parse_markup"]

_MAX_CHARACTERS = 64_000_000
_MAX_ELEMENTS = 300_000
_MAX_DEPTH = 64
_PIECE = 1 << 16
_DECLARATIONS = ("<!DOCTYPE", "<!ENTITY")


class MarkupError(MisfitError):
    """A description is not well formed, or larger than any description is."""


def parse_markup(text: str | bytes) -> Element:
    """Read XML, and stop where it grows beyond what a description of a slide can be.

    Parameters
    ----------
    text : str or bytes
        The document; bytes are UTF-8.

    Returns
    -------
    Element
        Its root.

    Raises
    ------
    MarkupError
        If it is not well formed, declares entities, or has too many or too deeply nested elements.
    """
    if len(text) > _MAX_CHARACTERS:
        raise MarkupError(f"{len(text):,} characters of description")
    document = (text.decode("utf-8", "replace") if isinstance(text, bytes) else text).strip("\ufeff\0 \t\r\n")
    if any(declaration in document for declaration in _DECLARATIONS):
        raise MarkupError("the description declares entities")
    try:
        return _pulled(document)
    except ParseError as error:
        raise MarkupError(f"the description is no XML: its line {error.position[0]:,} breaks the rules") from error


def _pulled(document: str) -> Element:
    parser: XMLPullParser[Any] = XMLPullParser(("start", "end"))
    root: Element | None = None
    count = depth = 0
    for start in range(0, len(document), _PIECE):
        parser.feed(document[start : start + _PIECE])
        for event, element in cast("Iterator[tuple[str, Element]]", parser.read_events()):
            depth += 1 if event == "start" else -1
            count += event == "start"
            root = element if root is None else root
            if count > _MAX_ELEMENTS or depth > _MAX_DEPTH:
                raise MarkupError("the description has too many elements")
    parser.close()
    if root is None:
        raise MarkupError("the description is empty")
    return root


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def elements(parent: Element, name: str, *, deep: bool = False) -> list[Element]:
    """Return the children of a name, whatever their namespace; with `deep`, those at any depth and the parent itself.

    Case does not count: programs differ.
    """
    wanted = name.lower()
    return [one for one in (parent.iter() if deep else parent) if local_name(one).lower() == wanted]


def attribute(element: Element, name: str) -> str | None:
    """Return an attribute, whatever its namespace and case; None when it is not there."""
    wanted = name.lower()
    for key, value in element.attrib.items():
        if key.rpartition("}")[2].lower() == wanted:
            return value
    return None
