"""A report as a file: HTML as it is, PDF printed by Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QByteArray, QMarginsF, QUrl
from qtpy.QtGui import QImage, QPageLayout, QPageSize, QPdfWriter, QTextDocument

from nucloop import __version__
from nucloop.errors import NucLoopError
from nucloop.formats.atomic import replacing, replacing_path
from nucloop.ki67 import Provenance, report_html

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nucloop.ki67 import Ki67Result
    from nucloop.ki67.tally import Tally

__all__ = ["write_report"]

_MARGIN_MM = 2
"""Qt adds 2 cm of its own."""
_DOTS_PER_INCH = 150
_WIDEST = 560
"""Pictures are printed at most this wide, points of the page."""


def write_report(
    path: Path,
    result: Ki67Result,
    provenance: Provenance,
    pictures: Mapping[str, bytes],
    counted: Tally | None = None,
) -> None:
    """Write a report as PDF or HTML, as the file name says; the whole file or nothing.

    Raises
    ------
    NucLoopError
        If it cannot be written, or the name says neither.
    """
    kind = path.suffix.lower()
    if kind in (".html", ".htm"):
        with replacing(path) as file:
            file.write(report_html(result, provenance, pictures, counted=counted).encode())
    elif kind == ".pdf":
        _print(path, report_html(result, provenance, pictures, counted=counted, embed=False), pictures)
    else:
        raise NucLoopError(f"A report is written as .pdf or .html, not as {path.name}. Choose one of these endings.")


def _print(path: Path, page: str, pictures: Mapping[str, bytes]) -> None:
    with replacing_path(path) as part:
        writer = QPdfWriter(str(part))
        writer.setTitle(path.stem)
        writer.setCreator(f"NucLoop {__version__}")
        writer.setResolution(_DOTS_PER_INCH)
        margins = QMarginsF(_MARGIN_MM, _MARGIN_MM, _MARGIN_MM, _MARGIN_MM)
        writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
        writer.setPageMargins(margins, QPageLayout.Unit.Millimeter)
        document = QTextDocument()
        for k, data in enumerate(pictures.values()):
            image = QImage.fromData(QByteArray(data), "PNG")
            name = f"picture:{k}"
            document.addResource(QTextDocument.ResourceType.ImageResource.value, QUrl(name), image)
            width = min(image.width(), _WIDEST)
            page = page.replace(f'src="{name}"', f'src="{name}" width="{width}"')
        document.setHtml(page)
        # without a size of its own the document is laid out for the page it is printed on; PyQt calls this print_,
        # PySide print_ or print
        getattr(document, "print_" if hasattr(document, "print_") else "print")(writer)
