"""File > Open Sample > NucLoop, on a ViewerModel."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("napari", reason="napari is not installed: pip install 'napari-nucloop[app]'")

from napari.components import ViewerModel
from napari.layers import Image, Points
from napari.utils.notifications import notification_manager

from nucloop import sample_files
from nucloop.errors import DataError
from nucloop.gui.canvas.layer_slide import slide_of_layer
from nucloop.gui.plugin import samples
from nucloop.gui.plugin.reader import NO_LAYER


def shown(layers: list[Any]) -> list[Any]:
    viewer = ViewerModel()
    for data, options, kind in layers:
        getattr(viewer, f"add_{kind}")(data, **options)
    return list(viewer.layers)


@pytest.mark.parametrize(
    ("sample", "mpp", "count"), [(samples.synthetic_he, 0.5, 1862), (samples.synthetic_ki67, 0.25, 2928)]
)
def test_a_synthetic_sample_opens_with_its_nuclei_hidden(
    sample: Callable[[], list[Any]], mpp: float, count: int
) -> None:
    image, points = shown(sample())

    assert isinstance(image, Image)
    assert slide_of_layer(image).mpp == pytest.approx(mpp)
    assert isinstance(points, Points)
    assert not points.visible
    assert len(points.data) == count
    assert tuple(points.scale) == tuple(image.scale)
    assert points.metadata["nucloop"]["reference"]


@pytest.mark.parametrize(("sample", "side"), [(samples.ki67, 2202), (samples.he, 1101)])
def test_a_real_sample_opens_with_its_resolution(sample: Callable[[], list[Any]], side: int) -> None:
    [image] = shown(sample())

    assert slide_of_layer(image).mpp == pytest.approx(0.2271, abs=1e-3)
    assert slide_of_layer(image).shape == (side, side)


def test_scikit_images_ihc_opens_with_a_resolution() -> None:
    [image] = shown(samples.ihc())

    assert slide_of_layer(image).mpp == 0.5
    assert image.data.shape == (512, 512, 3)


def test_without_a_network_the_public_slide_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    def offline(*_: Any, **__: Any) -> str:
        raise ConnectionError("name resolution failed")

    monkeypatch.setattr(sample_files.pooch, "retrieve", offline)
    notification_manager.records.clear()

    assert samples.cmu1_small_region() == NO_LAYER

    [notification] = notification_manager.records
    assert "Cannot download CMU-1-Small-Region.svs: there is no connection" in notification.message


def test_an_unknown_public_slide_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"no public slide x\.svs\. Choose one of: CMU-1-Small-Region\.svs"):
        sample_files.fetch_public_slide("x.svs")
