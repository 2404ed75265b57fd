"""Scores of a saved model on the test patches, their intervals, and the report.

Serves exercise 4, `sr_eval.py`.
"""
