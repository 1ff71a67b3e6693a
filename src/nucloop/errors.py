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
