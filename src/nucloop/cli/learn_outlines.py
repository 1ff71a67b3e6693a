"""``nucloop learn-outlines``: outlines from the points of one session, as the Learn dock learns them."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from nucloop.cli.terminal import check_writable, progress_bar, say
from nucloop.errors import DataError, WeightsError
from nucloop.learning.outlines.learned import OutlineNetwork, learn_outlines, outlines_at
from nucloop.learning.outlines.proposal import OutlineProposal, OutlineStep
from nucloop.learning.several_sessions import Corrected, open_corrected

__all__ = ["learn_outlines_command"]


def learn_outlines_command(
    session: Annotated[Path, typer.Argument(help="Session file (SLIDE.nucloop), or a slide that has one.")],
    out: Annotated[
        Path | None, typer.Option(help="The .safetensors file for the network; its card goes beside it.")
    ] = None,
    network: Annotated[
        Path | None, typer.Option(help="A network that was learned before, instead of learning one.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="How long to learn, by the clock.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How long to learn, by steps; 300 unless said.")] = None,
    slides: Annotated[Path | None, typer.Option(help="Folder of the slide; beside the session unless said.")] = None,
    mpp: Annotated[
        float | None, typer.Option(min=0.01, max=100, help="µm per pixel, if the slide does not say.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Give the session's nuclei these outlines, one step for undo.")
    ] = False,
) -> None:
    """Learn from where the nuclei of a session are how far they reach; what a person drew never changes.

    For tissue where the outlines of `detect` are wrong. Elsewhere those are better: they were learned from masks.
    """
    if (out is None) == (network is None):
        raise DataError("Say either where the network goes (--out) or which one to use (--network).")
    if out is not None:
        if out.suffix != ".safetensors":
            raise WeightsError(f"{out} must end in .safetensors, which is what NucLoop writes and reads.")
        check_writable(out.parent)
    with ExitStack() as stack:
        one = open_corrected(stack, session, slides=slides, mpp=mpp, write=apply)
        used = OutlineNetwork.open(network) if network is not None else _learned(one, minutes, steps)
        if out is not None:
            card = used.keep(out)
            say(f"{out}: {card.name}, sha256 {card.sha256[:12]}")
        proposal = _outlined(one, used)
        say(f"{one.name}: {proposal.change(one.session).sentence()}")
        if apply:
            change = proposal.apply(one.session)
            say(f"{one.name}: {0 if change is None else len(change.outlined):,} nuclei have other outlines now.")


def _learned(one: Corrected, minutes: float | None, steps: int | None) -> OutlineNetwork:
    with progress_bar() as bar:
        line = bar.add_task("outlines", total=None, note="")
        for item in learn_outlines(one.slide, one.nuclei, minutes=minutes, steps=steps):
            if isinstance(item, OutlineStep):
                bar.update(line, completed=item.done, total=item.total or None, note=item.text.lower())
    assert isinstance(item, OutlineNetwork)
    return item


def _outlined(one: Corrected, network: OutlineNetwork) -> OutlineProposal:
    proposal = OutlineProposal([], {"outlines": network.card.provenance})
    with progress_bar() as bar:
        line = bar.add_task("nuclei", total=len(one.nuclei), note="")
        for part in outlines_at(one.slide, network, one.nuclei):
            proposal.add(part.nuclei)
            bar.update(line, completed=part.done)
    return proposal
