"""Edits of many nuclei at once: a model run, an import, a change of the classes."""
