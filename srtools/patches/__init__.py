"""Patches images: their files and cards, and the ground that they show.

Exercise 1 writes them; exercises 3 and 4 read them.
"""
