"""Errors whose message may be shown to a person as it stands.

Each message says what happened, to what, and what to do next. The command line and the window
show these without a traceback; any other exception is a fault of the program.
"""


class NucLoopError(Exception):
    """Something a person can act on; the message is the sentence they see."""


class SlideError(NucLoopError):
    """A slide cannot be opened, or does not hold what is needed."""


class RegionError(NucLoopError):
    """A region is empty, malformed or outside the slide."""


class WeightsError(NucLoopError):
    """Weights or their card are missing, damaged or of another kind."""


class DataError(NucLoopError):
    """A data set, an annotation file or a table cannot be read as asked."""


class DeviceError(NucLoopError):
    """A computing device is not there, or has run out of memory."""


class SessionError(NucLoopError):
    """A session cannot be opened, or an edit cannot be kept."""


class MisfitError(ValueError):
    """What does not fit, in half a sentence of our own that may stand in brackets in a sentence for a person."""


def why(error: BaseException) -> str:
    """Return the reason in brackets, behind a blank, where an error gives one in our own words; else nothing.

    What Python or a library says of its own insides helps nobody: it stays in the chain of causes.
    """
    return f" ({error})" if isinstance(error, MisfitError) else ""


def legible(text: str) -> str:
    """Return text that can be written to any file and screen: names of files and people need not be in UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")
