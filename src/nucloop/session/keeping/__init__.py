"""Keeping a session: onto the disk, a copy a day, going on elsewhere when its file has gone, and repair."""
