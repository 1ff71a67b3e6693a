"""``nucloop models``: what ships, and what each was trained on."""

from rich.table import Column, Table

from nucloop.cli.terminal import output
from nucloop.models.files.cards import read_card, shipped_weights

__all__ = ["models"]


def models() -> None:
    """List the shipped weights, what they were trained on and what they reached."""
    table = Table(Column("name", no_wrap=True), "kind", "architecture", "µm/px", "MB", "trained on", "measured")
    for name, path in shipped_weights().items():
        card = read_card(path)
        data = ", ".join(f"{d['name']} ({d['licence']})" for d in card.training_data)
        metrics = ", ".join(f"{key} {value}" for key, value in card.metrics.items())
        size = f"{path.stat().st_size / 1e6:.1f}"
        table.add_row(name, card.kind, card.architecture, f"{card.mpp:g}", size, data, metrics)
    output.print(table)
