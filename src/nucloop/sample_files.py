"""Sample slides: those in the package, and public ones that are downloaded when somebody asks for them."""

import json
from pathlib import Path

import pooch

from nucloop.errors import DataError

__all__ = ["fetch_public_slide", "sample_folder"]


def sample_folder() -> Path:
    """Return the folder of the sample files: beside the sources in a checkout, inside the package when installed.

    Raises
    ------
    DataError
        If neither is there.
    """
    package = Path(__file__).parent
    for folder in (package / "_sample_data", package.parents[1] / "sample_data"):
        if (folder / "public_slides.json").exists():
            return folder
    raise DataError("The sample slides are missing from this installation. Install napari-nucloop again.")


def fetch_public_slide(name: str) -> Path:
    """Download one of `public_slides.json`, or take it from the cache, and check its sha256.

    Raises
    ------
    DataError
        If there is no such slide, no network, or the download is not the file it should be.
    """
    known = json.loads((sample_folder() / "public_slides.json").read_text(encoding="utf-8"))
    if name not in known:
        raise DataError(f"There is no public slide {name}. Choose one of: {', '.join(known)}.")
    slide, cache = known[name], Path(pooch.os_cache("nucloop"))
    try:
        return Path(pooch.retrieve(slide["url"], f"sha256:{slide['sha256']}", fname=name, path=cache))
    except OSError as error:  # requests' own errors are among these
        raise DataError(
            f"Cannot download {name}: there is no connection to {slide['url'].split('/')[2]}. Go online and try "
            f"again, or put the file into {cache}; the other samples work offline."
        ) from error
    except ValueError as error:
        raise DataError(
            f"{name} arrived damaged: its sha256 is not the one expected. Try again; it is taken only when whole."
        ) from error
