"""Scores of a saved model on the test patches, and what they are worth.

Serves exercise 4, `sr_eval.py`.
"""
