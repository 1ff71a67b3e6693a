"""Training sets: annotated slides cut into patches, divided into folds that share no patient, and documented."""
