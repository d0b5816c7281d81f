"""Whether a GPU computes what the CPU does."""
