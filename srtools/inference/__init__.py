"""Exercise 5: a large image in pieces, from the plan of its grid to the COG.

`sr_infer.py` runs the network; this room prepares its input, and keeps its output.
"""
