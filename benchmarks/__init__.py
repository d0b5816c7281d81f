"""Measurements of speed and of honesty, each as one command, each against a plain baseline."""
