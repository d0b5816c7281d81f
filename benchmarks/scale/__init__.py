"""What a search costs beside its trials, and how that grows."""
