"""What figures of Ki-67 mean, in words: the window, the terminal and the report say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nucloop.ki67.dab import DabConfig

if TYPE_CHECKING:
    from nucloop.ki67.counting import Ki67
    from nucloop.ki67.dab import SlideStains
    from nucloop.ki67.index import Cutoff
    from nucloop.ki67.measurement import Ki67Result, Ki67Settings
    from nucloop.metrics.intervals import Interval

__all__ = [
    "H_E_WORDS",
    "counted_words",
    "cutoff_words",
    "ends",
    "grade_words",
    "interval_words",
    "need_words",
    "percent",
    "place_words",
    "score_words",
    "stain_words",
    "threshold_words",
]

H_E_WORDS = "By its colours the slide is stained with haematoxylin and eosin, so nothing on it shows Ki-67."
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
    >>> cutoff_words(Index("a", 400, 600).cutoff(0.2))
    '20%: above, as far as counting goes; errors of finding and of classes are not known.'
    """
    side = "above" if cutoff.above else "below"
    if not cutoff.flips:
        return f"{100 * cutoff.value:.0f}%: nothing is counted yet."
    words = f"{100 * cutoff.value:.0f}%: {side}, {_sureness(cutoff)}."
    if not cutoff.by_counting or cutoff.flips <= FEW_FLIPS:
        count = "1 nucleus" if cutoff.flips == 1 else f"{cutoff.flips:,} nuclei"
        words += f" {count} counted the other way would move it across."
    return words


def _sureness(cutoff: Cutoff) -> str:
    if cutoff.certain:
        return "with errors of finding and threshold allowed for"
    if cutoff.by_counting and not cutoff.errors_known:
        return "as far as counting goes; errors of finding and of classes are not known"
    return "not certain"


def need_words(ki67: Ki67) -> list[str]:
    """Say what is still to be counted, for the precision that is wanted and for guidance."""
    wanted = 100 * ki67.config.half_width
    lines = [
        f"For a counting interval of ± {wanted:g} points: {ki67.still_needed:,} more nuclei."
        if ki67.still_needed
        else f"The counting interval is at most ± {wanted:g} points."
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
        "otsu": "found by the program, which parts the nuclei into two groups",
        "valley": "found by the program, where fewest nuclei lie between two groups",
        "default": "the usual one, as these nuclei fall into no two groups",
        "chosen": "chosen by a person",
    }[threshold.method]
    return f"DAB optical density {threshold.value:.2f} or more, {how}"


def score_words(result: Ki67Result) -> list[str]:
    """Say H-score and Allred's score of all regions, with what they rest on; nothing without DAB."""
    intensity = result.intensity
    if intensity is None:
        return []
    score, allred = intensity.slide, intensity.slide.allred
    if score.value is None or score.interval is None or allred is None:
        return ["H-score and Allred score: nothing is counted yet."]
    low, high = score.interval
    between = intensity.region_interval
    more = "" if between is None else f", {between[0]:.0f} to {between[1]:.0f} from region to region"
    shares = [f"{100 * count / score.total:.0f}%" for count in score.counts]
    return [
        f"H-score {score.value:.0f} of 300; 95% {low:.0f} to {high:.0f} by the number of nuclei{more} (bootstrap).",
        f"Allred {allred.total} of 8: {allred.proportion} for the share, {allred.intensity} for the intensity.",
        f"Negative {shares[0]}, 1+ {shares[1]}, 2+ {shares[2]}, 3+ {shares[3]}.",
    ]


def grade_words(result: Ki67Result) -> str:
    """Say from which densities on nuclei are 1+, 2+ and 3+, and who chose that; empty without DAB."""
    if result.intensity is None:
        return ""
    first, second, third = result.intensity.thresholds
    how = "chosen by a person" if result.settings.grades else "twice and three times that of 1+"
    return f"1+ from {first:.2f} (where nuclei are positive), 2+ from {second:.2f}, 3+ from {third:.2f}: {how}"


def place_words(result: Ki67Result) -> str:
    """Say where in a nucleus DAB was measured; empty without DAB."""
    if result.intensity is None:
        return ""
    within = result.by_outline
    square = max(int((result.states.label >= 0).sum()) - within, 0)
    nuclei = "1 nucleus" if within == 1 else f"{within:,} nuclei"
    middle = f"{DabConfig().side_um:g} µm in the middle"
    if not within:
        return f"the mean over a square of {middle} of each nucleus"
    if not square:
        return f"the mean within the outline of each nucleus ({nuclei})"
    return f"the mean within the outline of {nuclei}; over a square of {middle} of {square:,} that have no outline"


def interval_words(ki67: Ki67) -> list[str]:
    """Name every 95% interval that is known, the widest in meaning first."""
    lines = []
    if ki67.with_errors is not None:
        lines.append(f"{ends(ki67.with_errors)} with errors of finding and threshold")
    lines.append(f"{ends(ki67.slide.wilson)} by the number of nuclei (Wilson)")
    if ki67.region_interval is not None:
        lines.append(f"{ends(ki67.region_interval)} from region to region")
    return lines


def ends(interval: Interval) -> str:
    """Say from where to where an interval goes."""
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}%"


def counted_words(settings: Ki67Settings, change: str) -> str:
    """Say in a sentence which nuclei count when DAB decides, and how to change it; empty where classes decide.

    Parameters
    ----------
    settings : Ki67Settings
    change : str
        How to leave classes out here, beginning with a verb.
    """
    if not settings.by_dab:
        return ""
    if settings.left_out:
        return f"Not counted: {', '.join(sorted(settings.left_out))}."
    if not settings.doubted:
        return "All nuclei are counted, whatever their class."
    classes = " or ".join(sorted(settings.doubted))
    return (
        f"All nuclei are counted, except where a person said {classes}: nothing says that the model tells these "
        f"classes on DAB. To leave them out, {change}."
    )


def stain_words(stains: SlideStains) -> str:
    """Say what a slide is stained with, and where the colours of its stains come from."""
    how = "as a person says" if stains.said else "recognised by its colours"
    kind = "stain not recognised" if stains.kind is None else f"{stains.kind.words}, {how}"
    if not stains.estimated:
        return f"{kind}; the textbook's haematoxylin and DAB, as this slide's own could not be told"
    own = "this slide's own, drawn half-way to the textbook's"
    return f"{kind}; {own} (DAB {stains.degrees:.0f} degrees from it)"
