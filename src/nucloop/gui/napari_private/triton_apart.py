"""Triton is not there beside Mesa: two LLVMs in one process end it.

Torch looks for triton as soon as torchvision or timm is imported. Triton's LLVM and the one that Mesa draws with (in
software, and on AMD's cards) share symbols: where a window has drawn before, the process ends in a segmentation fault,
whoever imports torch, a job of ours or another plugin. What is compiled with triton needs a CUDA GPU and torch.compile,
which NucLoop does not use.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib.abc import Loader
from importlib.util import spec_from_loader
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["keep_triton_apart"]

_MAPS = Path("/proc/self/maps")
"""Files that the process has loaded, on Linux; Mesa and triton meet nowhere else."""


class _NotBesideMesa(Loader):
    """Stands before Python's own finders, and lets no import of triton through that would end the process."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Leave every module to others, but triton where an LLVM is loaded already."""
        # torch asks for the spec alone, too, and takes no refusal there
        return spec_from_loader(name, self) if name == "triton" and _llvm_is_loaded() else None

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Refuse, as where triton is not installed."""
        raise ModuleNotFoundError("triton's LLVM would end the program beside the one that draws.", name=spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Never come here."""


_finder = _NotBesideMesa()


def keep_triton_apart() -> None:
    """Have Python not find triton from the moment on in which an LLVM was loaded without it."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _llvm_is_loaded() -> bool:
    with suppress(OSError):
        return "libLLVM" in _MAPS.read_text(errors="replace")
    return False
