"""From annotated images to weights: data sets, augmentation, the one training loop."""
