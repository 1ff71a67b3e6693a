"""The page that goes with a training set: what it holds, from where, for what, in words, tables and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from nucloop.export.folds import TEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from nucloop.export.manifest import Manifest
    from nucloop.nuclei import Nuclei

__all__ = ["write_datasheet"]

_SIDE, _COLUMNS, _GAP = 224, 4, 6


def write_datasheet(folder: Path, manifest: Manifest, examples: Sequence[tuple[NDArray[np.uint8], Nuclei]]) -> None:
    """Write ``README.md`` and its pictures.

    Parameters
    ----------
    folder : Path
        Of the training set.
    manifest : Manifest
        What is in it.
    examples : sequence of (pixels, nuclei)
        Patches to show.
    """
    pictures = folder / "datasheet"
    pictures.mkdir()
    _examples(examples).save(pictures / "patches.png")
    _bars(manifest).save(pictures / "classes.png")
    (folder / "README.md").write_text(_page(manifest), encoding="utf-8")


def _page(manifest: Manifest) -> str:
    patients = len({patch.group for patch in manifest.patches})
    nuclei = sum(sum(patch.counts.values()) for patch in manifest.patches)
    size = "whole regions" if manifest.size is None else f"{manifest.size} x {manifest.size} pixels"
    stride = "" if manifest.stride in {None, manifest.size} else f", every {manifest.stride} pixels"
    facts = {
        "images": f"{len(manifest.patches):,}, {size}{stride}, {manifest.mpp:g} µm per pixel",
        "nuclei": f"{nuclei:,} (a nucleus in overlapping images counts in each)",
        "slides": f"{len(manifest.sources):,}",
        "folds": f"{manifest.folds}, divided by {manifest.group_by}: {patients:,} groups, none of them divided",
        "outside the annotated areas": "white" if manifest.blank else "shown, although nobody marked nuclei there",
        "licence": manifest.licence or "none stated",
        "authors": ", ".join(manifest.authors) or "none stated",
        "layout": manifest.layout,
        "made with": f"{manifest.program}, {manifest.created}",
    }
    lines = [f"# {_plain(manifest.name)}", "", manifest.description, "", "| | |", "|---|---|"]
    lines += [f"| {what} | {_plain(value)} |" for what, value in facts.items()]
    lines += ["", "![patches with their nuclei](datasheet/patches.png)", "", "## Classes", "", *_class_table(manifest)]
    lines += ["", "![nuclei per class and fold](datasheet/classes.png)", "", "## Evaluation", ""]
    lines += [
        f"Predictions and references are paired one to one within {manifest.protocol['radius_um']:g} µm, as many pairs "
        f"as possible ({manifest.protocol['rule']}); counts are pooled over images, F1 is given for detection and each "
        "class. Measure on one fold at a time, and on the test images once, at the end.",
        "",
        "## Sources",
        "",
        "| slide | patient | µm/px | regions | nuclei |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {_plain(one.slide)} | {_plain(one.patient)} | {one.mpp:g} | {one.regions} | {one.nuclei:,} |"
        for one in manifest.sources
    ]
    lines += ["", "## Limits", ""]
    lines += [f"- {sentence}" for sentence in manifest.left_out]
    lines += [
        "- Every nucleus within the annotated areas is said to be marked."
        if manifest.exhaustive
        else "- Not every nucleus is marked: precision measured here means nothing.",
        "- Images come from the slides listed above; other scanners, stains and organs may look different.",
        "- `dataset.json` lists every file with its sha256.",
        "",
    ]
    return "\n".join(lines)


def _class_table(manifest: Manifest) -> list[str]:
    folds = [*range(manifest.folds), *([TEST] if manifest.of_split("test") else [])]
    heads = ["test" if fold == TEST else f"fold {fold}" for fold in folds]
    counts = [manifest.counts(fold) for fold in folds]
    rows = [f"| class | {' | '.join(heads)} | all |", "|---" * (len(heads) + 2) + "|"]
    for name in (*manifest.scheme.names, ""):
        numbers = [count[name] for count in counts]
        if name or sum(numbers):
            cells = " | ".join(f"{number:,}" for number in (*numbers, sum(numbers)))
            rows.append(f"| {_plain(name) or 'without a class'} | {cells} |")
    return rows


def _plain(text: str) -> str:
    """Text that cannot be taken for a table's border, a heading or a tag."""
    return " ".join(text.replace("|", "/").replace("<", "(").replace(">", ")").split())


def _examples(examples: Sequence[tuple[NDArray[np.uint8], Nuclei]]) -> Image.Image:
    rows = max(1, -(-len(examples) // _COLUMNS))
    sheet = Image.new("RGB", (_COLUMNS * (_SIDE + _GAP) + _GAP, rows * (_SIDE + _GAP) + _GAP), "white")
    for number, (pixels, nuclei) in enumerate(examples):
        picture = Image.fromarray(pixels)
        factor = min(_SIDE / picture.width, _SIDE / picture.height)
        picture = picture.resize((max(1, round(picture.width * factor)), max(1, round(picture.height * factor))))
        pen = ImageDraw.Draw(picture)
        for (y, x), label in zip((nuclei.yx * factor).tolist(), nuclei.label.tolist(), strict=True):
            color = nuclei.scheme.colors[label] if label >= 0 else "#ffffff"
            pen.ellipse((x - 3, y - 3, x + 3, y + 3), outline="black", fill=color)
        row, column = divmod(number, _COLUMNS)
        sheet.paste(picture, (_GAP + column * (_SIDE + _GAP), _GAP + row * (_SIDE + _GAP)))
    return sheet


def _bars(manifest: Manifest) -> Image.Image:
    """One bar for each class and fold, in the class's colour."""
    counts = [manifest.counts(fold) for fold in range(manifest.folds)]
    largest = max([max(count.values()) for count in counts] or [1]) or 1
    names = manifest.scheme.names
    bar, height = 14, 10 + len(names) * (manifest.folds * 14 + 26)
    sheet = Image.new("RGB", (640, height), "white")
    pen = ImageDraw.Draw(sheet)
    top = 6
    for name, color in zip(names, manifest.scheme.colors, strict=True):
        pen.text((8, top), name.encode("latin-1", "replace").decode("latin-1"), fill="black")
        top += 16
        for fold, count in enumerate(counts):
            length = round(480 * count[name] / largest)
            pen.rectangle((60, top + 1, 60 + length, top + bar - 3), fill=color, outline="black")
            pen.text((8, top), f"fold {fold}", fill="black")
            pen.text((68 + length, top), f"{count[name]:,}", fill="black")
            top += bar
        top += 10
    return sheet
