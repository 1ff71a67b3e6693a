"""How a slide is looked at: magnification, overview map, background, stains, brightness. Nothing here is measured."""
