"""Tables of nuclei: one row each, whatever the file is."""
