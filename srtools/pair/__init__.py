"""Spot and Sentinel-2 as a pair: do they fit, which pixels are usable, which groups?

Serves exercise 1, sr_dataset.py.
"""
