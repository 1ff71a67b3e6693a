"""The Measure dock, with all that is its own: F1, confusion, agreement."""
