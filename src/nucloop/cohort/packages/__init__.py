"""Packages for annotators: regions of a cohort's slides handed out to readers, and their answers taken back."""
