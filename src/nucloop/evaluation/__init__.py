"""How good: data sets, comparisons that follow every edit, readers."""
