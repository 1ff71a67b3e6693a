"""Outlines that a slide's own points teach: pictures around them, a network, and what it would change."""
