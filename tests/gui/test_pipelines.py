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
