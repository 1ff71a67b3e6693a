"""The sessions of the open images: opened, kept, closed."""
