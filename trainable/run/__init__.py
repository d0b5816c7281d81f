"""What a run folder holds that both the search and the analysis read."""
