"""Room pair."""
