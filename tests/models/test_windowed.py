import numpy as np
import pytest
import torch
from torch import nn

from nucloop.detection.stage import Stage, read_window
from nucloop.models.files.cards import Card
from nucloop.models.windowed import WindowConfig, WindowedEncoder, window_starts
from nucloop.slides import slide_from_array
from nucloop.slides.tiling import Tile

GREY = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def averaging(window: int = 32, margin: int = 1) -> WindowedEncoder:
    """Tokens are the means of their patches: what is right is then known for every patch."""
    config = WindowConfig(patch=4, window=window, margin=margin, **GREY)
    return WindowedEncoder(nn.Identity(), lambda net, x: nn.functional.avg_pool2d(net(x), 4), 3, config).eval()


@pytest.mark.parametrize("size", [(32, 32), (64, 40), (36, 100), (8, 12), (40, 8)])
def test_every_patch_of_any_picture_gets_its_own_token(size):
    rgb = torch.rand(2, 3, *size) * 255
    with torch.inference_mode():
        features = averaging()(rgb)
    expected = nn.functional.avg_pool2d((rgb / 255 - 0.5) / 0.5, 4)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)


def test_windows_cover_everything_and_overlap_by_twice_the_margin():
    assert window_starts(16, 16, 2) == [0]
    assert window_starts(40, 16, 2) == [0, 12, 24]
    assert window_starts(41, 16, 2) == [0, 12, 24, 25]
    assert window_starts(3, 16, 2) == [0]


def test_the_window_in_whose_middle_a_patch_lies_counts_most():
    config = WindowConfig(patch=4, window=32, margin=2, **GREY)
    centred = torch.zeros(1, 1, 8, 8)
    centred[..., 2:6, 2:6] = 1
    encoder = WindowedEncoder(nn.Identity(), lambda net, x: centred.expand(len(x), 1, 8, 8), 1, config)
    with torch.inference_mode():
        features = encoder(torch.zeros(1, 3, 32, 64))[0, 0]
    # cells 6 and 7 of the first window are its border, and the middle of the second one
    assert features[4, 6] > 0.5
    assert features[4, 0] == 0


def test_a_stage_reads_a_slide_with_it_as_with_the_encoder_that_ships():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    slide = slide_from_array(pixels, mpp=0.5)
    encoder = averaging()
    stage = Stage(encoder, Card(kind="encoder", name="x", architecture="x", mpp=0.5, halo=16), "torch-cpu", 1)
    window = stage.window(slide, Tile(40, 60, 100, 90), 0.5)

    dense = stage(read_window(slide, window, 0.5)[None])

    assert stage.stride == stage.align == 4
    assert dense.shape == (1, 3, window.height // 4, window.width // 4)
    y, x = 20, 10
    patch = pixels[window.top + 4 * y : window.top + 4 * y + 4, window.left + 4 * x : window.left + 4 * x + 4]
    np.testing.assert_allclose(dense[0, :, y, x], (patch.mean((0, 1)) / 255 - 0.5) / 0.5, atol=1e-4)


def test_where_the_fast_converter_cannot_follow_torch_runs_it(caplog):
    stage = Stage(averaging(), Card(kind="encoder", name="x", architecture="x", mpp=0.5), "cpu", 1)
    assert stage.engine.name == "CPU, torch"
    assert stage(np.zeros((1, 64, 96, 3), np.uint8)).shape == (1, 3, 16, 24)


@pytest.mark.parametrize("fields", [{"window": 30}, {"window": 8, "margin": 1}, {"patch": 0}])
def test_windows_that_hold_no_patches_are_refused(fields):
    with pytest.raises(ValueError, match="does not hold patches"):
        WindowConfig(**({"patch": 4, "window": 32, **GREY} | fields))
