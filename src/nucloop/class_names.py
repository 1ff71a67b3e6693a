"""How names of classes are compared: letter case, blanks, spellings, and names that often stand for each other."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["ALIKE", "folded", "spelt"]

_BETWEEN_WORDS = re.compile(r"[\s:]+")
_AMERICAN = re.compile(r"\btumor\b")
_SPELLINGS = {"tumour cell": "tumour", "lymphocytes": "lymphocyte", "stroma": "stromal"}
"""Other ways to write a class, so close that nobody means anything else."""
ALIKE = (
    {"tumour", "tumour/epithelial", "neoplastic", "malignant epithelial"},
    {"lymphocyte", "immune cells", "inflammatory", "stil", "til"},
    {"stromal", "connective", "fibroblast", "spindle", "nontil_stromal"},
    {"other", "background cell", "miscellaneous", "other_nucleus"},
    {"epithelial", "healthy epithelial"},
)
"""Classes of public data sets that often stand for each other and are not the same: a guess to ask a person about."""


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """Return a name without letter case, with single blanks, and without the colon of QuPath's derived classes."""
    return _BETWEEN_WORDS.sub(" ", name.casefold()).strip()


@lru_cache(maxsize=4096)
def spelt(name: str) -> str:
    """Return a name in the one spelling that stands for all of it."""
    words = _AMERICAN.sub("tumour", folded(name))
    return _SPELLINGS.get(words, words)
