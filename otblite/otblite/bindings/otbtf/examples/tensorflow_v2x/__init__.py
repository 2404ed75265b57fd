"""Examples for TensorFlow 2."""
