"""Sentinel-2 and a finer image: their shift, point spread function, back-projection.

Exercises 1 and 4 measure with this package; exercise 5 corrects with it.
"""
