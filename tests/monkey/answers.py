"""What a monkey answers when it is asked for a file or a colour, and what it types."""

from __future__ import annotations

import re
import shutil
import webbrowser
from typing import TYPE_CHECKING, Any

from PIL import Image as Picture
from qtpy.QtGui import QColor, QDesktopServices
from qtpy.QtWidgets import QColorDialog, QFileDialog
from skimage import data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from random import Random

__all__ = ["TEXTS", "answer_dialogs", "prepare_slides"]

TEXTS = ("", "0", "0.25", "20", "-3", "99999", "1e400", "nan", "reader 1", "tumour", "ä" * 200)


def prepare_slides(folder: Path, sample: Path) -> list[Path]:
    """Write the slides that it opens, two of them without a resolution, and files that are none of nuclei."""
    tissue = data.immunohistochemistry()
    slides = [folder / "ki67.ome.tif", folder / "unknown.png", folder / "small.png"]
    shutil.copy(sample, slides[0])
    Picture.fromarray(tissue).save(slides[1])
    Picture.fromarray(tissue[:300, :260]).save(slides[2])
    (folder / "points.csv").write_text("x,y,class\n10,20,tumour\n40,50,stromal\n", encoding="utf-8")
    (folder / "broken.csv").write_text("x,y\n1,2\nfoo,bar\n", encoding="utf-8")
    (folder / "broken.geojson").write_text('{"type": "FeatureCollection", "features": [', encoding="utf-8")
    return slides


def answer_dialogs(folder: Path, random: Random, did: Callable[[str], None]) -> None:
    """Answer the system's own dialogs, which nobody can press here; a page of the web is not opened."""

    def existing(*_: Any, **__: Any) -> tuple[str, str]:
        files = sorted(path for path in folder.iterdir() if path.is_file())
        chosen = "" if random.random() < 0.3 else str(random.choice([*files, folder / "missing.csv"]))
        did(f"  chose {chosen or 'no file'}")
        return chosen, ""

    def several(*_: Any, **__: Any) -> tuple[list[str], str]:
        chosen, kind = existing()
        return ([chosen] if chosen else []), kind

    def new(
        _parent: Any = None, title: str = "", _at: str = "", kinds: str = "", *_: Any, **__: Any
    ) -> tuple[str, str]:
        kind = random.choice(kinds.split(";;"))
        endings = re.findall(r"\*(\.[\w.]+)", kind) or [""]
        place = folder / "no such folder" if random.random() < 0.07 else folder
        name = "" if random.random() < 0.3 else str(place / f"out{random.randrange(50)}{random.choice(endings)}")
        did(f"  {title}: {name or 'no file'}")
        return name, kind

    QFileDialog.getOpenFileName = staticmethod(existing)
    QFileDialog.getOpenFileNames = staticmethod(several)
    QFileDialog.getSaveFileName = staticmethod(new)
    QFileDialog.getExistingDirectory = staticmethod(lambda *_, **__: random.choice(["", str(folder)]))
    QColorDialog.getColor = staticmethod(lambda *_, **__: QColor(*(random.randrange(256) for _ in range(3))))
    QDesktopServices.openUrl = staticmethod(lambda *_, **__: True)
    webbrowser.open = lambda *_, **__: True
