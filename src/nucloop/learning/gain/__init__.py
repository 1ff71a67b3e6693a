"""What a new head gains: on answers that were held out, and on the whole slide."""
