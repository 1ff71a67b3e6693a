"""Torch, and all that detecting and learning wait for, imported once: it takes seconds.

Nothing here imports them before it is asked to.
"""

from __future__ import annotations

import importlib
import sys
import threading

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
        importlib.import_module("torch._dynamo")
        importlib.import_module("nucloop.detection.pipeline")
        # the first detection asks it for the head in use, with the window waiting
        importlib.import_module(_LAST)
