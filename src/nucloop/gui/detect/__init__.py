"""The Detect dock, with all that is its own."""
