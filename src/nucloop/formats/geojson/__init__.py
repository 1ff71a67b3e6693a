"""GeoJSON of QuPath, and of the programs that follow it."""
