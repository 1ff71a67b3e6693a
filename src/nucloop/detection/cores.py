"""How many cores a process may use. Loads nothing: who starts workers asks, too."""

from __future__ import annotations

import os

__all__ = ["CORES", "available_cores"]

CORES = "NUCLOOP_CORES"
"""The environment variable that says how many cores a process may use."""


def available_cores() -> int:
    """Cores this process may use: as many as NUCLOOP_CORES says where several processes share a machine."""
    told = os.environ.get(CORES, "")
    if told.isdecimal() and int(told):
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
