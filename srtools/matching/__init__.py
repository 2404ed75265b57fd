"""Two images of the same ground: their shift, and how one looks to the other.

Exercises 1 and 4 measure with this room; exercise 5 corrects with it.
"""
