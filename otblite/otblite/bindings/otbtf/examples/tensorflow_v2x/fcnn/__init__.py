"""A fully convolutional network for classification, and programs to train it."""
