"""From image files to normalized batches."""
