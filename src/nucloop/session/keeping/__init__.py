"""Keeping a session: where it lies and who writes to it, copies, going on elsewhere when its file has gone, repair."""
