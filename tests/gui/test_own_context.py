"""What napari sends to OpenGL between two frames goes to the canvas's own context, whichever is current."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
from vispy.gloo.context import GLContext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui


@pytest.fixture
def other_context() -> Iterator[QOpenGLContext]:
    """One that is current, as those of other windows and of Qt's own are between two frames."""
    surface, context = QOffscreenSurface(), QOpenGLContext()
    surface.create()
    assert context.create()
    assert context.makeCurrent(surface)
    yield context
    context.doneCurrent()


def test_removing_a_layer_reaches_no_other_context(
    bench: Bench, other_context: QOpenGLContext, monkeypatch: pytest.MonkeyPatch
):
    bench.find([[100, 100], [200, 200]])
    flush, current = GLContext.flush_commands, []

    def flushing(context: GLContext, event: object = None) -> None:
        current.append(QOpenGLContext.currentContext())
        flush(context, event)

    monkeypatch.setattr(GLContext, "flush_commands", flushing)
    other_context.makeCurrent(other_context.surface())
    bench.viewer.layers.remove(bench.image)

    assert current
    assert all(context is bench.canvas.context() for context in current)
