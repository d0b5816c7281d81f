"""One trial: cross-validated, or trained once more as the final model."""
