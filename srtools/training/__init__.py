"""Patches for `fit`, callbacks, interrupted trainings and several devices.

Exercise 3, sr_train.py, is made of these parts.
"""
