"""How the models are loaded beside a window."""

from __future__ import annotations

import subprocess
import sys


def test_torch_comes_without_triton_whichever_dock_was_there_first():
    # triton's LLVM beside Mesa's ends the process
    program = (
        "import sys\n"
        "import nucloop.gui.learn.learning\n"
        "from nucloop.learning.preparing import prepare_torch\n"
        "prepare_torch()\n"
        "import timm, torchvision\n"
        "print('torch._dynamo' in sys.modules, 'triton' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "False"]


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
