"""What a file is before its format: unpacked, text in one encoding, JSON a block at a time."""
