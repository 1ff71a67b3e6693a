from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nucloop.training.fields import Field


@pytest.fixture
def field(tmp_path: Path) -> Field:
    """Dark spots on a pale ground, in two colours that are the two classes."""
    rng = np.random.default_rng(0)
    points = np.array([(y, x) for y in range(12, 160, 24) for x in range(12, 160, 24)], np.float32)
    points = (points + rng.uniform(-4, 4, points.shape)).clip(6, 153).astype(np.float32)
    label = (np.arange(len(points)) % 2).astype(np.int16)
    y, x = np.mgrid[:160, :160]
    image = np.full((160, 160, 3), 235, np.uint8)
    for (cy, cx), kind in zip(points, label, strict=True):
        spot = np.hypot(y - cy, x - cx) < 5
        image[spot] = (90, 40, 140) if kind == 0 else (150, 60, 60)
    path = tmp_path / "field.png"
    Image.fromarray(image).save(path)
    return Field(path, points, label, 0.5, "A")
