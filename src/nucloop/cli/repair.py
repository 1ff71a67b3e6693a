"""``nucloop repair``: a damaged session goes on with everything up to its last whole edit."""

from pathlib import Path
from typing import Annotated

import typer

from nucloop.cli.terminal import say
from nucloop.errors import NucLoopError
from nucloop.session import Session
from nucloop.session.keeping.copies import copies_of
from nucloop.session.keeping.repair import repair

__all__ = ["repair_command"]


def repair_command(
    session: Annotated[Path, typer.Argument(metavar="SESSION", exists=True, dir_okay=False, help="SLIDE.nucloop.")],
) -> None:
    """Save what is whole of a damaged session; the file as it was is kept beside it."""
    try:
        with Session.open(session, read_only=True) as opened:
            nuclei, edits = len(opened), opened.ledger.history.last
    except NucLoopError:
        say(repair(session).message)
        for copy in copies_of(session.resolve())[:1]:
            say(f"There is also a copy of an earlier day: {copy}")
        return
    say(f"{session.name} is whole ({nuclei:,} nuclei, {edits:,} edits): nothing was changed.")
