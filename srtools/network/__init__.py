"""The graph of a network and its SavedModel: receptive field, crops, weights, card.

Exercise 2 takes its table from here; exercises 3 to 5 write and read models with it.
"""
