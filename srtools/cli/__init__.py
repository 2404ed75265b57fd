"""The command lines of the five scripts: each option with its unit, help and default.

They import neither TensorFlow nor rasterio, so that `--help` answers at once.
"""
