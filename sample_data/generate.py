"""Make the synthetic slides: `python -m sample_data.generate` in the folder above.

Nothing in them comes from a patient. Each slide has its nuclei listed beside it as y, x, class:
level-0 pixels, pixel centres at integers, known because they were drawn.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from sample_data.painting import H_AND_E, KI67, paint_h_and_e, paint_ki67, photograph
from sample_data.tissue import CANVAS_MPP, Cells, Kind, lay_out, scatter

HERE = Path(__file__).parent
HE_MPP, KI67_MPP = 0.5, 0.25
HE_CLASSES = {Kind.LYMPHOCYTE: "lymphocyte", Kind.TUMOUR: "tumour", Kind.STROMAL: "stromal"}


def main() -> None:
    """Write both slides and their nuclei into this folder."""
    picture, cells = synthetic_he(seed=20)
    options: dict[str, Any] = {
        "photometric": "rgb",
        "tile": (256, 256),
        "compression": "jpeg",
        "compressionargs": {"level": 88},
    }
    per_cm = round(10_000 / HE_MPP)
    tifffile.imwrite(
        HERE / "synthetic_he.tif", picture, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER",
        metadata=None, **options,
    )  # fmt: skip
    write_nuclei(HERE / "synthetic_he.csv", cells, [HE_CLASSES[Kind(k)] for k in cells.kind], HE_MPP, len(picture))

    picture, cells = synthetic_ki67(seed=67)
    write_pyramid(HERE / "synthetic_ki67.ome.tif", picture, KI67_MPP)
    write_nuclei(HERE / "synthetic_ki67.csv", cells, ki67_classes(cells), KI67_MPP, len(picture))


def synthetic_he(seed: int, side: int = 1024) -> tuple[NDArray[np.uint8], Cells]:
    """Paint an H&E field of `side` pixels at 0.5 µm per pixel."""
    rng = np.random.default_rng(seed)
    canvas_side = round(side * HE_MPP / CANVAS_MPP)
    tissue = lay_out(rng, canvas_side)
    cells = scatter(rng, tissue, tries=canvas_side**2 // 60)
    return photograph(rng, paint_h_and_e(rng, tissue, cells), H_AND_E, HE_MPP), cells


def synthetic_ki67(seed: int, side: int = 2560) -> tuple[NDArray[np.uint8], Cells]:
    """Paint a Ki-67 field of `side` pixels at 0.25 µm per pixel."""
    rng = np.random.default_rng(seed)
    tissue = lay_out(rng, side)
    cells = scatter(rng, tissue, tries=side**2 // 60)
    return photograph(rng, paint_ki67(rng, tissue, cells), KI67, KI67_MPP), cells


def ki67_classes(cells: Cells) -> list[str]:
    """Names of the Patherea Ki-67 scheme."""
    tumour = ["tumour" if kind == Kind.TUMOUR else "other" for kind in cells.kind]
    return [f"{who} {'positive' if yes else 'negative'}" for who, yes in zip(tumour, cells.positive, strict=True)]


def write_pyramid(path: Path, picture: NDArray[np.uint8], mpp: float, levels: int = 3) -> None:
    """Write an OME-TIFF with coarser levels as SubIFDs."""
    options: dict[str, Any] = {
        "photometric": "rgb",
        "tile": (256, 256),
        "compression": "jpeg",
        "compressionargs": {"level": 80},
    }
    sizes = {f"PhysicalSize{axis}": mpp for axis in "XY"} | {f"PhysicalSize{axis}Unit": "µm" for axis in "XY"}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(picture, subifds=levels - 1, metadata={"axes": "YXS", "Name": path.stem} | sizes, **options)
        for _ in range(levels - 1):
            height, width = picture.shape[0] // 2, picture.shape[1] // 2
            means = picture.reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
            picture = (means + 0.5).astype(np.uint8)
            file.write(picture, subfiletype=1, metadata=None, **options)


def write_nuclei(path: Path, cells: Cells, classes: list[str], mpp: float, side: int) -> None:
    """Write the nuclei as y, x, class in level-0 pixels of a slide of `side` pixels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["y", "x", "class"])
        for (y, x), name in zip(np.clip(cells.yx / mpp - 0.5, 0, side - 1), classes, strict=True):
            table.writerow([f"{y:.1f}", f"{x:.1f}", name])


if __name__ == "__main__":
    main()
