"""Nothing is sent anywhere, and nothing fetched that nobody asked for."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from nucloop.formats import read_document

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Refuse every call over a network, and note it."""
    made: list[Any] = []

    def refused(*where: Any, **_: Any) -> None:
        made.append(where[1:])
        raise OSError("there is no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    return made


def test_a_slide_is_detected_classified_counted_and_exported_without_a_network(
    nucloop, slide: Path, weights: Path, tmp_path: Path, calls: list[Any]
):
    out = tmp_path / "out"
    networks = ["--detector", weights / "detector.safetensors", "--encoder", weights / "encoder.safetensors"]
    networks += ["--head", weights / "head.safetensors", "--device", "torch-cpu"]
    assert nucloop("detect", slide, "--mpp", 0.5, "--out", out, "--format", "geojson", *networks).code == 0
    (found,) = out.glob("*.geojson")
    assert len(read_document(found).nuclei)
    assert nucloop("convert", found, tmp_path / "nuclei.csv").code == 0
    assert nucloop("models").code == 0
    assert calls == []
