"""What docks are made of, and know nothing of nuclei: layout, messages, plots, jobs, settings."""
