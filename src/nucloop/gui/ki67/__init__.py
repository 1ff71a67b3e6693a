"""The Ki-67 dock, with all that is its own."""
