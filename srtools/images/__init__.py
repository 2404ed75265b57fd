"""Room images."""
