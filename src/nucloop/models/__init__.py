"""Networks, one file per published model, and the weights files they are kept in."""
