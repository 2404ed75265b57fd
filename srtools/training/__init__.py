"""Exercise 3: everything around `fit`; `training_job.training` combines it."""
