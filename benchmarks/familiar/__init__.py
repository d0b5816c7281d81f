"""How well images that are unlike those of the training are told."""
