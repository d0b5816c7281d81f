"""The cache: arrays and files that are made once, shared by processes, and kept within a budget."""
