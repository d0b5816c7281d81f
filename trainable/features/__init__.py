"""What the frozen body computes, once for all trials."""
