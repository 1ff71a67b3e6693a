"""How the models are loaded beside a window."""

from __future__ import annotations

import subprocess
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from typing import TYPE_CHECKING

import pytest

from nucloop.gui.napari_private import triton_apart

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.gui
def test_whoever_imports_torch_the_window_stays_where_mesa_has_drawn():
    # triton's LLVM beside Mesa's ended the process: in tests, in other plugins, wherever no job of ours came first
    program = (
        "import sys, napari\n"
        "import nucloop.gui\n"
        "from pathlib import Path\n"
        "from qtpy.QtWidgets import QApplication\n"
        "viewer = napari.Viewer()\n"
        "while not viewer.window._qt_viewer.canvas._scene_canvas.native.isValid():\n"
        "    QApplication.processEvents()\n"
        "import timm, torchvision\n"
        "import torch.utils._triton as asking\n"
        "maps = Path('/proc/self/maps')\n"
        "mesa = maps.exists() and 'libLLVM' in maps.read_text()\n"
        "print(mesa, asking.has_triton_package() and mesa)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    mesa, both = run.stdout.split()
    if mesa == "False":
        pytest.skip("no LLVM draws here")
    assert both == "False"


def test_triton_is_found_where_no_llvm_draws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    # who compiles with it beside a graphics card keeps it
    if PathFinder.find_spec("triton") is None:
        pytest.skip("triton is not installed")
    maps = tmp_path / "maps"
    monkeypatch.setattr(triton_apart, "_MAPS", maps)
    for loaded, found in (("libGLX_nvidia.so", True), ("libLLVM-15.so.1", False)):
        maps.write_text(f"7f00-7f01 r-xp 00000000 00:00 0 /usr/lib/{loaded}")
        spec = next(spec for finder in sys.meta_path if (spec := finder.find_spec("triton", None)) is not None)
        assert isinstance(spec.loader, SourceFileLoader) is found


def test_no_dock_needs_what_cannot_be_imported_while_another_thread_imports_torch():
    # scipy.stats asks a torch that is half there for its Tensor: Measure, opened right after Detect, failed
    program = (
        "import sys\n"
        "from importlib import import_module\n"
        "for dock in ('correct', 'detect', 'gallery', 'ki67', 'learn', 'measure'):\n"
        "    import_module(f'nucloop.gui.{dock}.{dock}_dock')\n"
        "print('scipy.stats' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]
