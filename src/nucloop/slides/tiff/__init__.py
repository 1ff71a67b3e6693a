"""TIFF in all its dialects: Aperio SVS, OME-TIFF, NDPI, Leica, Ventana, plain pyramids."""
