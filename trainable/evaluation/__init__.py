"""What scores are worth, and how sure that is."""
