"""The Gallery dock, with all that is its own."""
