"""Use the winner of a run folder: retrain it on every labelled image and write predictions."""
