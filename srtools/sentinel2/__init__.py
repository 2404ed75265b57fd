"""Sentinel-2: which image shows an area without clouds, and its pixels on this machine.

Serves exercises 1 and 5; `source` is the door to it.
"""
