"""What a search prints while it runs and at its end."""
