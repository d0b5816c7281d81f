"""A guard at the door: which new images are unlike those of the training."""
