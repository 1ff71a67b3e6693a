"""A file is whole or as it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from nucloop.classes import ClassScheme
from nucloop.formats import FORMATS, SlideInfo, write_nuclei
from nucloop.formats.atomic import replacing
from nucloop.nuclei import Nuclei

if TYPE_CHECKING:
    from pathlib import Path


def test_a_file_whose_writing_ends_in_the_middle_is_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "nuclei.csv"
    path.write_bytes(b"before")

    def write_half() -> None:
        with replacing(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_bytes() == b"before"
    assert [one.name for one in tmp_path.iterdir()] == ["nuclei.csv"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_written_beside_and_put_in_place_when_it_is_whole(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"nuclei{FORMATS[name].suffixes[0]}"
    path.write_bytes(b"before")
    scheme = ClassScheme.named(FORMATS[name].carries.classes or "ocelot")
    nuclei = Nuclei.from_points(scheme, np.full((3, 2), 5.0), label=0)

    def fails(*_: object) -> None:
        assert path.read_bytes() == b"before"
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", fails)
    with pytest.raises(KeyboardInterrupt):
        write_nuclei(path, nuclei, SlideInfo(name="s", height=10, width=10), name)
    assert path.read_bytes() == b"before"
