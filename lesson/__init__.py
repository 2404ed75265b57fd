"""Sheets without the solutions, and checks of a student's own work."""
