"""The Correct dock, with all that is its own: keys, mouse, brush, review."""
