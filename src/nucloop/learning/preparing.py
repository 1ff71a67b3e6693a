"""Torch, and all that detecting and learning wait for, imported once: it takes seconds, and care beside a window.

Nothing here imports them before it is asked to.
"""

from __future__ import annotations

import importlib
import sys
import threading
from typing import Any, cast

from nucloop.garbage import importing

__all__ = ["prepare_torch"]

_LAST = "nucloop.learning.session_heads"
_lock = threading.Lock()


def prepare_torch() -> None:
    """Import torch before anything else does; takes seconds the first time, so call it in a job."""
    with _lock:
        _import_all()


def _import_all() -> None:
    """Import everything that detecting and learning wait for, once."""
    # other docks import the last one by themselves, which says nothing of torch
    if {_LAST, "torch._dynamo"} <= sys.modules.keys():
        return
    with importing():
        _import_torch()
        importlib.import_module("nucloop.detection.pipeline")
        # the first detection asks it for the head in use, with the window waiting
        importlib.import_module(_LAST)


def _import_torch() -> None:
    """Import torch in such a way that it lives beside Mesa.

    torchvision makes torch look for triton. Triton's LLVM and the one of Mesa's software OpenGL, which napari has
    loaded by then, share symbols, and the process ends in a segmentation fault. NucLoop compiles nothing with triton:
    while torch looks, it is not there.
    """
    if "triton" in sys.modules or "torch._dynamo" in sys.modules:
        return
    modules = cast("dict[str, Any]", sys.modules)
    modules["triton"] = None
    try:
        importlib.import_module("torch._dynamo")
    finally:
        del modules["triton"]
