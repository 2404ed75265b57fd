"""A fully convolutional network that tells classes, and programs to train it."""
