"""Exercise 3: everything around Keras' `fit`; `training_job.training` combines it."""
