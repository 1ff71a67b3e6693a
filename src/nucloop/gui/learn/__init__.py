"""The Learn dock, with all that is its own."""
