"""What a file says of itself before its pixels are read: its kind, its size, its resolution, its channels."""
