"""Options of the five exercises: each is declared once, with unit, help and default.

They import neither TensorFlow nor rasterio, so that `--help` answers at once.
"""
