"""How good: point matching and the figures that follow from it."""
