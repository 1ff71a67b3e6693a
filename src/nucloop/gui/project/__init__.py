"""The Project dock: a cohort's slides as a list, to be opened, worked on, marked and tagged."""
