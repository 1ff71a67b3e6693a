"""Weights on disk: cards, foundation models by name, downloads."""
