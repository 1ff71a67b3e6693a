"""Weights that ship: safetensors files, each with a card."""
