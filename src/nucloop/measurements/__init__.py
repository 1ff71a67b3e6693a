"""Figures of each nucleus from its outline: size and shape in µm, and how much of each stain lies in and around it."""
