"""The Nuclei table dock: size, shape and stains of each nucleus, a row each."""
