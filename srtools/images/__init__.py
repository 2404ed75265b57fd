"""One raster: where it lies, whether its pixels can be right, and how it looks.

All five exercises use this room; it knows nothing of pairs, networks or searches.
"""
