"""What figures of Ki-67 mean, in words: the window, the terminal and the report say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nucloop.ki67.counting import Ki67
    from nucloop.ki67.index import Cutoff
    from nucloop.ki67.measurement import Ki67Result

__all__ = ["cutoff_words", "need_words", "percent", "threshold_words"]

FEW_FLIPS = 10
"""So few nuclei counted the other way are worth pointing out."""


def percent(value: float | None) -> str:
    """Say a share.

    >>> percent(0.2345), percent(None)
    ('23.5%', '–')
    """
    return "–" if value is None else f"{100 * value:.1f}%"


def cutoff_words(cutoff: Cutoff) -> str:
    """Say where an index stands to a cut-off, and how easily it would cross it.

    >>> from nucloop.ki67.index import Index
    >>> cutoff_words(Index("a", 21, 79).cutoff(0.2))
    '20%: above, not certain. 2 nuclei counted the other way would move it across.'
    """
    side = "above" if cutoff.above else "below"
    if not cutoff.flips:
        return f"{100 * cutoff.value:.0f}%: nothing is counted yet."
    words = f"{100 * cutoff.value:.0f}%: {side}, {'certain' if cutoff.certain else 'not certain'}."
    if not cutoff.certain or cutoff.flips <= FEW_FLIPS:
        count = "1 nucleus" if cutoff.flips == 1 else f"{cutoff.flips:,} nuclei"
        words += f" {count} counted the other way would move it across."
    return words


def need_words(ki67: Ki67) -> list[str]:
    """Say what is still to be counted, for the precision that is wanted and for guidance."""
    wanted = 100 * ki67.config.half_width
    lines = [
        f"For an interval of ± {wanted:g} points: {ki67.still_needed:,} more nuclei."
        if ki67.still_needed
        else f"The interval is at most ± {wanted:g} points."
    ]
    for need in ki67.requirements:
        state = "reached" if not need.missing else f"{need.missing:,} more"
        lines.append(f"{need.wanted:,} {need.what}: {state} ({need.there:,} counted).")
    return lines


def threshold_words(result: Ki67Result) -> str:
    """Say from which density on nuclei are positive, and who chose it."""
    threshold = result.threshold
    if threshold is None:
        return ""
    how = {
        "otsu": "found by the program (Otsu's on the logarithm)",
        "valley": "found by the program (the valley of the histogram)",
        "default": "the usual one, as these nuclei fall into no two groups",
        "chosen": "chosen by a person",
    }[threshold.method]
    return f"DAB optical density {threshold.value:.2f} or more, {how}"
