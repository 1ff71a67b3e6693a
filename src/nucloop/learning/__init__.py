"""Learning from corrections: kept features, heads fitted to what people said, and what to ask them next."""
