"""From a slide to classified nuclei: engines, tiles, points, classes."""
