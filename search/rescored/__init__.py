"""Trials of a run, scored again: on some of the patients, or by other folds."""
